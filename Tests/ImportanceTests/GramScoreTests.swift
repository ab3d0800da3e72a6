import LanguageModels
import LinearAlgebra
import Testing

@testable import Calibration
@testable import Importance

/// Scores that look at whole Gram matrices, against slow formulas in double precision.
@Suite struct GramScoreTests {
  private let tiny = Tiny(seed: 5)

  /// Gauss–Jordan: slow, short, and not what the scores use.
  private func inverse(_ matrix: [[Double]]) -> [[Double]] {
    let n = matrix.count
    var rows = matrix.enumerated().map { i, row in row + (0..<n).map { $0 == i ? 1.0 : 0.0 } }
    for pivot in 0..<n {
      let best = (pivot..<n).max { abs(rows[$0][pivot]) < abs(rows[$1][pivot]) } ?? pivot
      rows.swapAt(pivot, best)
      rows[pivot] = rows[pivot].map { $0 / rows[pivot][pivot] }
      for other in 0..<n where other != pivot {
        let factor = rows[other][pivot]
        rows[other] = zip(rows[other], rows[pivot]).map { $0 - factor * $1 }
      }
    }
    return rows.map { Array($0.suffix(n)) }
  }

  private func table(_ matrix: Matrix<Float>) -> [[Double]] {
    (0..<matrix.rows).map { i in (0..<matrix.columns).map { Double(matrix[i, $0]) } }
  }

  private func damped(_ matrix: [[Double]]) -> [[Double]] {
    let mean = matrix.indices.reduce(0) { $0 + matrix[$1][$1] } / Double(matrix.count)
    return matrix.enumerated().map { i, row in
      row.enumerated().map { i == $0 ? $1 + 0.01 * mean : $1 }
    }
  }

  private func expectClose(
    _ found: [Float], _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    let scale = expected.reduce(0) { max($0, abs($1)) }
    for (x, y) in zip(found, expected) {
      #expect(abs(Double(x) - y) <= 2e-5 * scale, "\(x), \(y)", sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: Tiny.Norms.allCases) func flapIsTheStandardisedFluctuation(norms: Tiny.Norms) {
    let tiny = Tiny(seed: 5, norms: norms)
    func standardised(_ weight: Matrix<Float>, _ gram: Matrix<Float>, _ mean: [Float], _ share: Double) -> [Double] {
      let raw = (0..<weight.columns).map { j in
        max(0, Double(gram[j, j]) - share * Double(mean[j]) * Double(mean[j]))
          * (0..<weight.rows).reduce(0.0) { $0 + Double(weight[$1, j]) * Double(weight[$1, j]) }
      }
      let average = raw.reduce(0, +) / Double(raw.count)
      let variance = raw.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(raw.count)
      return raw.map { ($0 - average) / variance.squareRoot() }
    }
    let (scores, statistics) = (FLAP().scores(of: tiny.layer), tiny.statistics)
    let shares = norms == .before ? (1, 1) : (0.6, 1.7)
    expectClose(
      scores.channels, standardised(tiny.toStream(.mlp), statistics.hiddenGram, statistics.hiddenMean, shares.1))
    let columns = standardised(
      tiny.toStream(.attention), statistics.contextGram, statistics.contextMean, shares.0)
    expectClose(scores.groups, (0..<3).map { group in columns[tiny.columns(of: group)].reduce(0, +) / 4 })
  }

  @Test(arguments: Tiny.Norms.allCases) func obsDividesByTheInverseGram(norms: Tiny.Norms) throws {
    let tiny = Tiny(seed: 5, norms: norms)
    let (scores, weights) = (try OBS().scores(of: tiny.layer), tiny.weights)
    func stiffness(_ gram: Matrix<Float>) -> [Double] {
      let inverse = inverse(damped(table(gram)))
      return inverse.indices.map { 1 / inverse[$0][$0] }
    }
    func rows(_ weight: Matrix<Float>, _ gram: Matrix<Float>) -> [Double] {
      let stiffness = stiffness(gram)
      return table(weight).map { zip($0, stiffness).reduce(0) { $0 + $1.0 * $1.0 * $1.1 } }
    }
    func columns(_ weight: Matrix<Float>, _ gram: Matrix<Float>) -> [Double] {
      let stiffness = stiffness(gram)
      return (0..<weight.columns).map { j in table(weight).reduce(0) { $0 + $1[j] * $1[j] } * stiffness[j] }
    }
    let (attention, mlp) = (tiny.statistics.attentionInputGram, tiny.statistics.mlpInputGram)
    let gate = rows(weights.gate.weight, mlp)
    let up = rows(weights.up.weight, mlp)
    let down = columns(tiny.toStream(.mlp), tiny.statistics.hiddenGram)
    expectClose(scores.channels, (0..<5).map { gate[$0] + up[$0] + down[$0] })
    let query = rows(weights.query.weight, attention)
    let key = rows(weights.key.weight, attention)
    let value = rows(weights.value.weight, attention)
    let output = columns(tiny.toStream(.attention), tiny.statistics.contextGram)
    expectClose(
      scores.groups,
      (0..<3).map { group in
        let (wide, narrow) = (tiny.columns(of: group), group * 2..<group * 2 + 2)
        return query[wide].reduce(0, +) + output[wide].reduce(0, +) + key[narrow].reduce(0, +)
          + value[narrow].reduce(0, +)
      })
  }

  /// `z = 1 − c·u` as `NumericalPruning` says.
  private func mask(of system: Matrix<Double>, penalty: Double, kept: Double) -> [Double] {
    let rows = (0..<system.rows).map { i in (0..<system.rows).map { system[i, $0] } }
    let u = inverse(rows).map { $0.reduce(0, +) }
    let c = penalty * (Double(u.count) - kept) / (1 + penalty * u.reduce(0, +))
    return u.map { 1 - c * $0 }
  }

  /// The paper's Newton iteration, from any start, is at the closed form after one step and stays there.
  @Test(arguments: [0.01, 1, 1000])
  func newtonReachesTheClosedFormOfTheMask(penalty: Double) throws {
    let system = NumericalPruning.system(weight: tiny.weights.output.weight, gram: tiny.statistics.contextGram)
    let matrix = system.damped(0.01)
    let (n, kept) = (matrix.rows, 7.0)
    let closed = mask(of: matrix, penalty: penalty, kept: kept)
    let a = (0..<n).map { i in (0..<n).map { matrix[i, $0] } }
    let hessian = inverse(a.map { $0.map { $0 + penalty } })
    var random = SeededGenerator(seed: 3)
    var mask = (0..<n).map { _ in random.unit() }
    for _ in 0..<3 {
      let excess = penalty * (mask.reduce(0, +) - kept)
      let gradient = a.map { row in zip(row, mask).reduce(excess) { $0 + $1.0 * ($1.1 - 1) } }
      mask = zip(mask, hessian).map { z, row in z - zip(row, gradient).reduce(0) { $0 + $1.0 * $1.1 } }
      for (x, y) in zip(mask, closed) { #expect(abs(x - y) < 1e-6 * max(1, abs(y))) }
    }
  }

  /// The score ranks as the mask does, for whatever penalty and size.
  @Test(
    arguments: [(0.01, 2), (1, 2), (1000, 2), (0.01, 4), (1, 4), (1000, 4)] as [(Double, Double)],
    Tiny.Norms.allCases)
  func numericalRanksAsTheMask(limit: (penalty: Double, kept: Double), norms: Tiny.Norms) throws {
    let (tiny, (penalty, kept)) = (Tiny(seed: 5, norms: norms), limit)
    let system = NumericalPruning.system(weight: tiny.toStream(.mlp), gram: tiny.statistics.hiddenGram)
    let mask = mask(of: system.damped(0.01), penalty: penalty, kept: kept)
    let scores = try NumericalPruning().scores(of: tiny.layer)
    let order = mask.indices.sorted { mask[$0] > mask[$1] }
    #expect(scores.ranking.channels == order)
    #expect(abs(scores.channels.reduce(0, +)) < 1e-4)
  }

  /// The output error with the units `kept` and the best weights for them: `tr(W·G·Wᵀ)` less what they explain.
  private func error(_ weight: Matrix<Float>, _ gram: [[Double]], kept: [Int]) -> Double {
    let w = table(weight)
    let wg = w.map { row in gram[0].indices.map { j in zip(row, gram).reduce(0) { $0 + $1.0 * $1.1[j] } } }
    var total = zip(w, wg).reduce(0) { $0 + zip($1.0, $1.1).reduce(0) { $0 + $1.0 * $1.1 } }
    if kept.isEmpty { return total }
    let inverse = inverse(kept.map { i in kept.map { gram[i][$0] } })
    for row in wg {
      for (a, i) in kept.enumerated() {
        for (b, j) in kept.enumerated() { total -= row[i] * inverse[a][b] * row[j] }
      }
    }
    return total
  }

  @Test(arguments: Tiny.Norms.allCases) func greedyKeepsWhatLowersTheErrorMost(norms: Tiny.Norms) throws {
    let tiny = Tiny(seed: 5, norms: norms)
    let greedy = try GreedySelection().scores(of: tiny.layer).ranking
    func order(_ weight: Matrix<Float>, _ gram: Matrix<Float>, _ units: [[Int]]) -> [Int] {
      let gram = damped(table(gram))
      var order: [Int] = []
      while order.count < units.count {
        let kept = order.flatMap { units[$0] }
        let left = units.indices.filter { !order.contains($0) }
        order.append(
          left.min { error(weight, gram, kept: kept + units[$0]) < error(weight, gram, kept: kept + units[$1]) } ?? 0)
      }
      return order
    }
    #expect(greedy.channels == order(tiny.toStream(.mlp), tiny.statistics.hiddenGram, (0..<5).map { [$0] }))
    #expect(
      greedy.groups
        == order(tiny.toStream(.attention), tiny.statistics.contextGram, (0..<3).map { Array(tiny.columns(of: $0)) }))
  }

  /// If two channels are always equal, the second is worth nothing, whatever its own score.
  @Test func greedyKeepsNoTwins() throws {
    var tiny = tiny
    tiny.duplicateChannel(0, as: 1)
    let ranking = try GreedySelection().scores(of: tiny.layer).ranking.channels
    let places = [0, 1].map { ranking.firstIndex(of: $0) ?? -1 }
    #expect(places.max() == 4, "\(ranking)")
    let wanda = WandaSP().scores(of: tiny.layer).channels
    #expect(wanda[0] == wanda[1])
  }

  /// The loss that the removal of the inputs `removed` adds if the others are adjusted: `½·tr(S·W·C·Wᵀ)` with the Schur
  /// complement `C`.
  private func lossError(_ weight: Matrix<Float>, _ gram: [[Double]], _ moments: Matrix<Float>, kept: [Int]) -> Double {
    // With S = R·Rᵀ the error of Rᵀ·W in the metric of the output. R by the columns of a Cholesky factor.
    let n = moments.rows
    var root = table(moments)
    for i in 0..<n { root[i][i] += 1e-6 * (0..<n).reduce(0) { $0 + Double(moments[$1, $1]) } / Double(n) }
    for j in 0..<n {
      for k in 0..<j { for i in j..<n { root[i][j] -= root[i][k] * root[j][k] } }
      let pivot = root[j][j].squareRoot()
      for i in j..<n { root[i][j] /= pivot }
    }
    let rotated = Matrix<Float>(rows: n, columns: weight.columns)
    for i in 0..<n {
      for j in 0..<weight.columns {
        rotated[i, j] = Float((i..<n).reduce(0.0) { $0 + root[$1][i] * Double(weight[$1, j]) })
      }
    }
    return error(rotated, gram, kept: kept) / 2
  }

  /// The moments of the gradient hold the gains already.
  @Test(arguments: Tiny.Norms.allCases) func lossOBSRemovesWhatAddsLeastToTheLoss(norms: Tiny.Norms) throws {
    let tiny = Tiny(seed: 5, norms: norms)
    let ranking = try LossOBS().scores(of: tiny.layer).ranking
    let moments = try #require(tiny.layer.saliencies?.outputMoments)
    func order(_ weight: Matrix<Float>, _ gram: Matrix<Float>, _ moments: Matrix<Float>, _ units: [[Int]]) -> [Int] {
      let gram = damped(table(gram))
      var left = Array(units.indices)
      var removed: [Int] = []
      while let next = left.min(by: { a, b in
        func error(without unit: Int) -> Double {
          lossError(weight, gram, moments, kept: left.filter { $0 != unit }.flatMap { units[$0] })
        }
        return error(without: a) < error(without: b)
      }) {
        left.removeAll { $0 == next }
        removed.append(next)
      }
      return removed.reversed()
    }
    #expect(
      ranking.channels
        == order(tiny.weights.down.weight, tiny.statistics.hiddenGram, moments.mlp, (0..<5).map { [$0] }))
    #expect(
      ranking.groups
        == order(
          tiny.weights.output.weight, tiny.statistics.contextGram, moments.attention,
          (0..<3).map { Array(tiny.columns(of: $0)) }))
  }

  /// The elimination begins with the weights that make up for what outputs lack: with these and nothing lacking it is the
  /// same.
  @Test func lossOBSRemovesWhatAddsLeastToWhatIsLacking() throws {
    var tiny = Tiny(seed: 5)
    let plain = try LossOBS().scores(of: tiny.layer).ranking
    let hidden = tiny.weights.down.outputs
    func lacking(_ inputs: Int, seed: UInt64) -> Matrix<Float> {
      var random = SeededGenerator(seed: seed)
      return Matrix((0..<inputs * hidden).map { _ in Float(4 * random.unit() - 2) }, rows: inputs, columns: hidden)
    }
    tiny.statistics.contextLacking = lacking(tiny.weights.output.inputs, seed: 1)
    tiny.statistics.hiddenLacking = lacking(tiny.weights.down.inputs, seed: 2)
    let found = try LossOBS().scores(of: tiny.layer).ranking
    for (part, gram, moments) in [
      (LayerPart.output, tiny.statistics.contextGram, tiny.statistics.contextLacking),
      (.down, tiny.statistics.hiddenGram, tiny.statistics.hiddenLacking),
    ] {
      // W + (H⁻¹C)ᵀ
      let factor = try CholeskyFactor(factorising: gram.damped(0.01))
      let change = try #require(moments).widened()
      factor.solveLower(change)
      factor.solveLowerTransposed(change)
      let (weight, all) = (tiny.weights[part].weight.copy(), change.transposed())
      for i in 0..<weight.rows { for j in 0..<weight.columns { weight[i, j] += Float(all[i, j]) } }
      tiny.weights[part].weight = weight
    }
    (tiny.statistics.contextLacking, tiny.statistics.hiddenLacking) = (nil, nil)
    #expect(try found == LossOBS().scores(of: tiny.layer).ranking)
    #expect(found != plain)
  }

  /// If two channels are always equal, one is removed first, and the other then is worth as much as both.
  @Test func lossOBSKeepsOneOfTwins() throws {
    var tiny = tiny
    tiny.duplicateChannel(0, as: 1)
    let ranking = try LossOBS().scores(of: tiny.layer).ranking.channels
    #expect([0, 1].contains(ranking[4]), "\(ranking)")
  }

  @Test func l1SumsAbsoluteWeights() {
    let (scores, weights) = (Magnitude(.l1).scores(of: tiny.layer), tiny.weights)
    func sum(_ values: some Sequence<Float>) -> Double { values.reduce(0) { $0 + abs(Double($1)) } }
    expectClose(
      scores.channels,
      (0..<5).map { channel in
        sum(weights.gate.weight.rows(channel..<channel + 1).elements)
          + sum(weights.up.weight.rows(channel..<channel + 1).elements)
          + sum(weights.down.weight.columns(channel..<channel + 1).elements)
      })
    expectClose(
      scores.groups,
      (0..<3).map { group in
        let (wide, narrow) = (tiny.columns(of: group), group * 2..<group * 2 + 2)
        return sum(weights.query.weight.rows(wide).elements) + sum(weights.key.weight.rows(narrow).elements)
          + sum(weights.value.weight.rows(narrow).elements) + sum(weights.output.weight.columns(wide).elements)
      })
  }
}

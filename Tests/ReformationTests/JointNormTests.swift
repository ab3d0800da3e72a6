import Importance
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import Calibration
@testable import Reformation

/// Norms over all heads of queries and keys (OLMo 2), of which heads go.
@Suite struct JointNormTests {
  private let model: LanguageModel
  private let windows = TokenWindows(length: 25, tokens: someTokens(1000, below: 320))
  private let statistics: GatheredStatistics
  private let choice = SubnetFactory<LanguageModel>.Choice(score: "wanda-sp", calibration: "set")

  init() throws {
    model = try Fixture.olmo2Norms.model()
    statistics = try GatheredStatistics(model, windows, name: "set")
  }

  private func factory(_ repair: Repair, parent: LanguageModel? = nil) -> SubnetFactory<LanguageModel> {
    SubnetFactory(
      parent: parent ?? model, scores: [WandaSP()], statistics: [statistics], repair: repair, damping: 0.01,
      byteLimit: .max)
  }

  private var dimension: Int { model.configuration.headDimension }

  /// The outputs of a layer's projection on the dense stream, shape `[tokens, outputs]`.
  private func projected(_ part: LayerPart, _ weights: LayerWeights, layer index: Int) throws -> Matrix<Float> {
    let pass = ForwardPass(windows)
    let (hidden, runner) = (try pass.embed(model), pass.runner(for: model))
    for before in 0..<index { try runner.run(layer: before, weights: model.layer(before), hidden) }
    try runner.normalise(hidden, gain: weights.attentionNorm)
    let result = Matrix<Float>(rows: hidden.rows, columns: weights[part].outputs)
    weights[part].apply(hidden, into: result)
    return result
  }

  private func meanSquare(_ x: Matrix<Float>, columns: [Int]) -> Double {
    (0..<x.rows).reduce(0.0) { $0 + meanSquare(x, token: $1, columns) } / Double(x.rows)
  }

  private func meanSquare(_ x: Matrix<Float>, token: Int, _ columns: [Int]) -> Double {
    columns.reduce(0.0) { $0 + Double(x[token, $1]) * Double(x[token, $1]) } / Double(columns.count)
  }

  /// The mean of every token's ratio of some columns' mean square to that of all.
  private func ratio(_ x: Matrix<Float>, columns: [Int]) -> Double {
    (0..<x.rows).reduce(0.0) {
      $0 + meanSquare(x, token: $1, columns) / meanSquare(x, token: $1, Array(0..<x.columns))
    } / Double(x.rows)
  }

  private static let norms = [(LayerPart.query, LayerPart.allQueriesNorm), (.key, .allKeysNorm)]

  /// The gains of what stays are multiplied by the ratio of sizes, which is counted token by token here.
  @Test(arguments: [Repair.none, .nested], [1, 2, 3])
  func gainsFollowTheSizeOfWhatStays(repair: Repair, groups: Int) throws {
    var moved = false
    let factory = factory(repair)
    let widths = model.configuration.layers.map { LayerWidths(groups: groups, channels: $0.mlpChannels / 2) }
    let subnet = try factory.subnet(widths, choice)
    for (index, shape) in model.configuration.layers.enumerated() {
      let ranking = try factory.rankedLayer(index, choice).ranking
      let kept = KeptUnits(groups: Array(ranking.groups.prefix(groups)), channels: [])
      let (whole, part) = (try model.layer(index), try subnet.layer(index))
      for (projection, norm) in Self.norms {
        let rows =
          projection == .query
          ? kept.queryIndices(of: shape, headDimension: dimension) : kept.keyIndices(headDimension: dimension)
        let outputs = try projected(projection, whole, layer: index)
        let ratio = ratio(outputs, columns: rows)
        #expect(part[gain: norm].count == rows.count)
        for (found, row) in zip(part[gain: norm], rows) {
          let expected = Double(whole[gain: norm][row]) * ratio.squareRoot()
          #expect(abs(Double(found) - expected) <= 1e-5 * abs(expected))
        }
        moved = moved || abs(ratio - 1) > 1e-2
      }
    }
    #expect(moved == (groups < 3))
  }

  /// On the calibration the normed queries and keys stay as large as the parent's, and would not with the parent's gains.
  @Test func normedQueriesStayAsLarge() throws {
    let factory = factory(.none)
    let widths = model.configuration.layers.map { LayerWidths(groups: 1, channels: $0.mlpChannels) }
    let subnet = try factory.subnet(widths, choice)
    var (worst, plainWorst, exact) = (0.0, 0.0, 0.0)
    for (index, shape) in model.configuration.layers.enumerated() {
      let ranking = try factory.rankedLayer(index, choice).ranking
      let kept = KeptUnits(groups: [ranking.groups[0]], channels: [])
      let (whole, part) = (try model.layer(index), try subnet.layer(index))
      let plain = try model.layer(index).inherit(kept, from: shape, headDimension: dimension)
      func normed(_ projection: LayerPart, _ gain: [Float], _ weights: LayerWeights) throws -> Matrix<Float> {
        let x = try projected(projection, weights, layer: index)
        for i in 0..<x.rows {
          Kernels.rmsNorm(
            x.row(i), gain: gain, epsilon: model.configuration.normEpsilon, into: x.row(i),
            count: x.columns)
        }
        return x
      }
      for (projection, norm) in Self.norms {
        let rows =
          projection == .query
          ? kept.queryIndices(of: shape, headDimension: dimension) : kept.keyIndices(headDimension: dimension)
        let expected = meanSquare(try normed(projection, whole[gain: norm], whole), columns: rows)
        let found = meanSquare(try normed(projection, part[gain: norm], part), columns: Array(rows.indices))
        let without = meanSquare(try normed(projection, plain[gain: norm], plain), columns: Array(rows.indices))
        // Without the parent's gains.
        let ones = Array(repeating: Float(1), count: whole[projection].outputs)
        let factors = zip(part[gain: norm], plain[gain: norm]).map { $0 / $1 }
        let bare = meanSquare(try normed(projection, factors, part), columns: Array(rows.indices))
        exact = max(exact, abs(bare / meanSquare(try normed(projection, ones, whole), columns: rows) - 1))
        worst = max(worst, abs(found / expected - 1))
        plainWorst = max(plainWorst, abs(without / expected - 1))
      }
    }
    #expect(exact < 1e-3, "\(exact)")
    // Gains that differ among dimensions leave a little.
    #expect(worst < 0.02 && plainWorst > 4 * worst, "\(worst), \(plainWorst)")
  }

  /// The same where groups keep fewer query heads.
  @Test func thinnedQueries() throws {
    let factory = factory(.none)
    var thinned = choice
    thinned.queries = 2
    let widths = model.configuration.layers.map { LayerWidths(groups: 2, channels: $0.mlpChannels) }
    let (subnet, units) = (try factory.subnet(widths, thinned), try factory.units(widths, thinned))
    for (index, shape) in model.configuration.layers.enumerated() {
      let outputs = try projected(.query, model.layer(index), layer: index)
      let rows = units[index].queryIndices(of: shape, headDimension: dimension)
      let ratio = ratio(outputs, columns: rows)
      let gains = try model.layer(index)[gain: .allQueriesNorm]
      // In the order of the ranking there, of the parent here.
      let expected = rows.map { Double(gains[$0]) * ratio.squareRoot() }.sorted()
      let found = try subnet.layer(index)[gain: .allQueriesNorm].map(Double.init).sorted()
      #expect(found.count == 4 * dimension)
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-5 * abs($1) })
    }
  }

  /// Layers that do not stay in memory have the same gains.
  @Test(arguments: [Repair.none, .nested]) func largeSubnetsToo(repair: Repair) throws {
    let widths = model.configuration.layers.map { LayerWidths(groups: 2, channels: $0.mlpChannels / 2) }
    let expected = try factory(repair).subnet(widths, choice)
    let small = try LanguageModel(model.location, memory: MemoryPlan(limit: 1))
    let found = try factory(repair, parent: small).subnet(widths, choice)
    for index in model.configuration.layers.indices {
      #expect(try found.layer(index).elements == expected.layer(index).elements)
    }
  }
}

import Importance
import LanguageModels
import LinearAlgebra
import Subnets
import Testing

@testable import Calibration
@testable import Reformation

@Suite struct LossTermsTests {
  /// A fixture with one unit or more taken from every module.
  private struct Subject {
    let model: LanguageModel
    let windows: TokenWindows
    let factory: SubnetFactory<LanguageModel>
    let choice = SubnetFactory<LanguageModel>.Choice(score: "wanda-sp", calibration: "set")

    init(_ fixture: Fixture, windows count: Int = 30, length: Int = 20) throws {
      model = try fixture.model()
      windows = TokenWindows(
        length: length, tokens: someTokens(count * length, below: model.configuration.vocabularySize))
      factory = SubnetFactory(
        parent: model, scores: [WandaSP()], statistics: [try GatheredStatistics(model, windows, name: "set")],
        repair: .nested, damping: 0.01, byteLimit: .max)
    }

    /// For each module some widths, the middle one first.
    var widths: [[Int]] {
      model.configuration.layers.flatMap { shape in
        LayerPart.Module.allCases.map { module in
          let whole = module.width(of: shape)
          return [whole / 2, whole - 1, whole].reduce(into: []) { if $0.last != $1 { $0.append($1) } }
        }
      }
    }

    /// The columns of a module's map to the stream that a width keeps.
    func columns(_ layer: Int, _ module: LayerPart.Module, keeping width: Int) throws -> [Int] {
      let (shape, ranking) = (model.configuration.layers[layer], try factory.rankedLayer(layer, choice).ranking)
      if module == .attention {
        return KeptUnits(groups: Array(ranking.groups.prefix(width)), channels: [])
          .queryIndices(of: shape, headDimension: model.configuration.headDimension)
      }
      let each = model.configuration.activationsPerUnit
      return ranking.channels.prefix(width).flatMap { $0 * each..<($0 + 1) * each }
    }

    /// How a module's map to the stream changes if it keeps a width, zeros in the columns that go.
    func change(_ layer: Int, _ module: LayerPart.Module, keeping width: Int) throws -> Matrix<Float> {
      let made = try factory.rankedLayer(layer, choice).weights(
        groups: module == .attention ? width : 0, channels: module == .mlp ? width : 0)[toStream: module].weight
      let result = try model.layer(layer)[toStream: module].weight.copy()
      Kernels.scale(result.pointer, by: -1, count: result.count)
      for (place, column) in try columns(layer, module, keeping: width).enumerated() {
        for i in 0..<result.rows { result[i, column] += made[i, place] }
      }
      return result
    }

    /// The model with a share of the changes that the first of its `widths` bring to all modules.
    func moved(_ share: Float) throws -> Subnet<LanguageModel> {
      Subnet(of: model, layers: model.configuration.layers) { index in
        var layer = try model.layer(index)
        for (place, module) in LayerPart.Module.allCases.enumerated() {
          let weight = layer[toStream: module].weight.copy()
          let change = try change(index, module, keeping: widths[2 * index + place][0])
          Kernels.addScaled(change.pointer, share, to: weight.pointer, count: weight.count)
          layer[toStream: module] = Linear(weight: weight, bias: layer[toStream: module].bias)
        }
        return layer
      }
    }

    /// `Σ_m z_m` of every token at the first of the `widths`.
    func sums(_ terms: LossTerms) -> [Double] {
      (0..<windows.tokens.count).map { token in terms.modules.reduce(0.0) { $0 + Double($1[token, 0]) } }
    }
  }

  private static let dense: [Fixture] = [.qwen2Bias, .mistralGQA, .graniteTied] + Fixture.behindNorms

  @Test(arguments: Fixture.allCases) func gradientsHaveTheMomentsOfTheBackwardPass(fixture: Fixture) throws {
    let model = try fixture.model()
    let windows = TokenWindows(length: 20, tokens: someTokens(200, below: model.configuration.vocabularySize))
    var moments: [BackwardPass.OutputMoments] = []
    try BackwardPass(windows).run(model, of: .sampledLoss, parts: .outputMoments) { layer in
      moments.insert(try #require(layer.outputMoments), at: 0)
    }
    var visited: [String] = []
    try BackwardPass(windows).runModules(model) { tokens in
      visited.append("\(tokens.layer) \(tokens.module)")
      let gram = Matrix<Float>(rows: tokens.gradients.columns, columns: tokens.gradients.columns)
      accumulateGram(tokens.gradients, accumulate: 0, into: gram)
      mirrorUpperTriangle(gram)
      Kernels.scale(gram.pointer, by: 1 / Float(windows.tokens.count), count: gram.count)
      let expected = tokens.module == .mlp ? moments[tokens.layer].mlp : moments[tokens.layer].attention
      let largest = expected.elements.map(abs).max() ?? 0
      #expect(largest > 0 && distance(gram, expected) < 1e-4 * Double(largest), "\(tokens.layer) \(tokens.module)")
    }
    #expect(visited == moments.indices.reversed().flatMap { ["\($0) mlp", "\($0) attention"] })
  }

  /// Against `g·(W·x − Ŵ·x[kept])`, token by token.
  @Test(arguments: dense + [.qwen3moeSix, .gptossSinks]) func areGradientsTimesErrors(fixture: Fixture) throws {
    let subject = try Subject(fixture)
    let terms = try LossTerms(subject.factory, subject.choice, on: subject.windows, widths: subject.widths)
    try BackwardPass(subject.windows).runModules(subject.model) { tokens in
      let place = 2 * tokens.layer + (tokens.module == .mlp ? 1 : 0)
      for (column, width) in subject.widths[place].enumerated() {
        let error = Matrix<Float>(rows: tokens.gradients.rows, columns: tokens.gradients.columns)
        Linear(weight: try subject.change(tokens.layer, tokens.module, keeping: width)).apply(
          tokens.inputs, into: error)
        let expected = (0..<error.rows).map {
          -Kernels.dot(error.row($0), tokens.gradients.row($0), count: error.columns)
        }
        let found = (0..<error.rows).map { terms.modules[place][$0, column] }
        let largest = (0..<error.rows).reduce(Float(1e-6)) { max($0, abs(terms.modules[place][$1, 0])) }
        let furthest = zip(found, expected).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(furthest < 2e-3 * largest, "\(tokens.layer) \(tokens.module) \(width): \(furthest) of \(largest)")
      }
    }
  }

  /// If all modules move a little toward what they are in the subnet, the loss of the text changes by the sum of all terms.
  /// (With experts it would jump where a token changes its own.)
  @Test(arguments: dense) func addUpToTheSlopeOfTheLoss(fixture: Fixture) throws {
    let subject = try Subject(fixture)
    let terms = try LossTerms(
      subject.factory, subject.choice, on: subject.windows, widths: subject.widths, of: .loss)
    let slope = -subject.sums(terms).reduce(0, +)
    func loss(_ share: Float) throws -> Double {
      let (length, tokens) = (subject.windows.length, subject.windows.tokens)
      let targets = tokens.indices.filter { $0 % length > 0 }.map { Int(tokens[$0]) }
      return zip(try distributions(subject.moved(share), subject.windows), targets).reduce(0) { $0 - $1.0[$1.1] }
    }
    let share: Float = 0.004
    let measured = try (loss(share) - loss(-share)) / Double(2 * share)
    #expect(abs(measured - slope) < 0.02 * abs(slope) + 0.02, "\(measured), \(slope)")
  }

  /// The square of the sum over a window is the divergence that small errors of all modules together bring, in the mean over
  /// sampled labels.
  @Test(arguments: [Fixture.qwen2Bias, .graniteTied, .olmo2Norms]) func squareToTheDivergence(fixture: Fixture) throws {
    let subject = try Subject(fixture, windows: 600, length: 12)
    let terms = try LossTerms(subject.factory, subject.choice, on: subject.windows, widths: subject.widths)
    let sums = subject.sums(terms)
    let predicted = stride(from: 0, to: sums.count, by: subject.windows.length).reduce(0.0) { total, start in
      let sum = sums[start..<start + subject.windows.length].reduce(0, +)
      return total + sum * sum / 2
    }
    let share: Float = 0.05
    let dense = try distributions(subject.model, subject.windows)
    let moved = try distributions(subject.moved(share), subject.windows)
    let measured = divergence(dense, moved) * Double(dense.count) / Double(share * share)
    #expect(abs(predicted / measured - 1) < 0.15, "\(predicted / measured)")
  }
}

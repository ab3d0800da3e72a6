import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import Evaluation

/// The checkpoints of `Tests/Fixtures/models`.
enum Fixture: String, CaseIterable, Sendable {
  case llamaMHA = "llama-mha"
  case llamaLinear = "llama-linear"
  case mistralGQA = "mistral-gqa"
  case qwen2Bias = "qwen2-bias"
  case qwen3Tied = "qwen3-tied"

  func model() throws -> LanguageModel {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try LanguageModel(tests.appendingPathComponent("Fixtures/models/\(rawValue)"))
  }
}

/// Windows of tokens that look random and are the same everywhere.
private func someWindows(_ count: Int, _ length: Int, below vocabulary: Int) -> TokenWindows {
  var random = SeededGenerator(seed: 21)
  return TokenWindows(
    length: length, tokens: (0..<count * length).map { _ in Int32(random.next() % UInt64(vocabulary)) })
}

/// All logits in double precision, window by window, and what follows from them by the definitions.
private struct NaiveDistributions {
  let windows: TokenWindows
  /// Log-probabilities, one row a token.
  let logarithms: [[Double]]

  init(_ network: some Network, _ windows: TokenWindows) throws {
    self.windows = windows
    logarithms = try (0..<windows.count).flatMap { window -> [[Double]] in
      let hidden = try ForwardPass(windows.windows(window..<window + 1)).hiddenStates(of: network)
      let head = network.head
      return (0..<hidden.rows).map { token in
        let logits = (0..<head.rows).map { i in
          (0..<head.columns).reduce(0.0) { $0 + Double(head[i, $1]) * Double(hidden[token, $1]) }
        }
        let peak = logits.max() ?? 0
        let normaliser = peak + log(logits.reduce(0) { $0 + exp($1 - peak) })
        return logits.map { $0 - normaliser }
      }
    }
  }

  /// Mean negative log-likelihood of each window; its first token is not scored.
  var windowMeans: [Double] {
    (0..<windows.count).map { window in
      let scored = window * windows.length..<(window + 1) * windows.length - 1
      let losses = scored.map { -logarithms[$0][Int(windows.tokens[$0 + 1])] }
      return losses.reduce(0, +) / Double(losses.count)
    }
  }

  func divergence(of other: NaiveDistributions) -> Double {
    var sum = 0.0
    for (p, q) in zip(logarithms, other.logarithms) {
      for i in p.indices { sum += exp(p[i]) * (p[i] - q[i]) }
    }
    return sum / Double(logarithms.count)
  }

  func agreement(with other: NaiveDistributions) -> Double {
    func best(_ row: [Double]) -> Int? { row.indices.max { row[$0] < row[$1] } }
    let same = zip(logarithms, other.logarithms).count { best($0.0) == best($0.1) }
    return Double(same) / Double(logarithms.count)
  }
}

/// The model without the last unit of every module, and with only the first units.
private func pruned(_ model: LanguageModel, strongly: Bool) -> Subnet<LanguageModel> {
  Subnet(
    of: model,
    keeping: model.configuration.layers.map { shape in
      KeptUnits(
        groups: Array(0..<(strongly ? 1 : shape.kvHeads)),
        channels: Array(0..<(strongly ? shape.mlpChannels / 4 : shape.mlpChannels - 2)))
    })
}

@Suite struct PerplexityTests {
  @Test(arguments: Fixture.allCases)
  func isTheExponentialOfTheMeanLoss(fixture: Fixture) throws {
    let model = try fixture.model()
    // More than one block of the head and more than one chunk.
    let windows = someWindows(13, 41, below: model.configuration.vocabularySize)
    let found = try Perplexity(model, windows: windows)
    let exact = try NaiveDistributions(model, windows).windowMeans
    #expect(found.windowMeans.count == 13)
    for (x, y) in zip(found.windowMeans, exact) { #expect(abs(x - y) < 2e-5) }
    let mean = exact.reduce(0, +) / 13
    #expect(abs(found.mean - mean) < 1e-5 && abs(found.value / exp(mean) - 1) < 1e-5)
    #expect(found.value > 50)
  }

  @Test func windowsDoNotDependOnEachOther() throws {
    let model = try Fixture.mistralGQA.model()
    let windows = someWindows(30, 25, below: 320)
    let together = try Perplexity(model, windows: windows).windowMeans
    for window in [0, 7, 29] {
      let alone = try Perplexity(model, windows: windows.windows(window..<window + 1)).windowMeans
      #expect(alone.count == 1 && abs(alone[0] - together[window]) < 1e-5)
    }
    let order = Array((0..<30).reversed())
    let reversed = try Perplexity(model, windows: windows.selecting(order)).windowMeans
    for (x, y) in zip(reversed, together.reversed()) { #expect(abs(x - y) < 1e-5) }
    #expect(Set(together).count == 30)
  }

  @Test func unknownTokensAreErrors() throws {
    let model = try Fixture.llamaLinear.model()
    #expect(throws: ModelError.tokenOutOfRange(token: 64, vocabulary: 64)) {
      try Perplexity(model, windows: TokenWindows([[1, 2, 64]]))
    }
  }
}

@Suite struct DenseReferenceTests {
  @Test(arguments: Fixture.allCases)
  func modelComparedWithItself(fixture: Fixture) throws {
    let model = try fixture.model()
    let windows = someWindows(12, 30, below: model.configuration.vocabularySize)
    let reference = try DenseReference(model, windows: windows)
    let comparison = try reference.compare(model)
    #expect(comparison.divergence >= 0 && comparison.divergence <= 1e-6)
    #expect(comparison.topOneAgreement == 1)
    #expect(comparison.perplexity.windowMeans == reference.perplexity.windowMeans)
    #expect(reference.perplexity.windowMeans == (try Perplexity(model, windows: windows)).windowMeans)
  }

  @Test(arguments: Fixture.allCases, [false, true])
  func divergenceIsThatOfTheDistributions(fixture: Fixture, strongly: Bool) throws {
    let model = try fixture.model()
    let windows = someWindows(11, 30, below: model.configuration.vocabularySize)
    let subnet = pruned(model, strongly: strongly)
    let found = try DenseReference(model, windows: windows).compare(subnet)
    let (dense, sparse) = (try NaiveDistributions(model, windows), try NaiveDistributions(subnet, windows))
    let exact = dense.divergence(of: sparse)
    #expect(exact > (strongly ? 0.1 : 1e-4))
    #expect(abs(found.divergence - exact) <= 1e-6 + 1e-5 * exact)
    #expect(found.topOneAgreement == dense.agreement(with: sparse))
    #expect(found.topOneAgreement < 1)
    for (x, y) in zip(found.perplexity.windowMeans, sparse.windowMeans) { #expect(abs(x - y) < 2e-5) }
    #expect(found.perplexity.windowMeans.count == 11)
  }

  /// The divergence of all windows is the mean of the windows' own.
  @Test func windowsDoNotDependOnEachOther() throws {
    let model = try Fixture.qwen2Bias.model()
    let subnet = pruned(model, strongly: true)
    let windows = someWindows(6, 40, below: 320)
    let together = try DenseReference(model, windows: windows).compare(subnet)
    let alone = try (0..<6).map { try DenseReference(model, windows: windows.windows($0..<$0 + 1)).compare(subnet) }
    #expect(abs(together.divergence - alone.reduce(0) { $0 + $1.divergence } / 6) < 1e-5)
    #expect(abs(together.topOneAgreement - alone.reduce(0) { $0 + $1.topOneAgreement } / 6) < 1e-12)
    #expect(Set(alone.map(\.divergence)).count == 6)
  }

  /// A network with a head of its own, for which the expected head row is formed with that head.
  private struct OtherHead: Network {
    let whole: LanguageModel
    let head: Matrix<Float>

    var configuration: ModelConfiguration { whole.configuration }
    var embedding: Matrix<Float> { whole.embedding }
    var engine: any Engine { whole.engine }
    var memory: MemoryPlan { whole.memory }
    var finalNorm: [Float] { whole.finalNorm }
    func layer(_ index: Int) throws -> LayerWeights { try whole.layer(index) }
  }

  @Test func otherHeadsAreComparedToo() throws {
    let model = try Fixture.llamaLinear.model()
    let head = model.head.copy()
    for i in 0..<head.rows { head[i, i % head.columns] += 0.3 }
    let other = OtherHead(whole: model, head: head)
    let windows = someWindows(8, 25, below: 64)
    let found = try DenseReference(model, windows: windows, head: head).compare(other)
    let exact = try NaiveDistributions(model, windows).divergence(of: NaiveDistributions(other, windows))
    #expect(exact > 0.01 && abs(found.divergence - exact) <= 1e-6 + 1e-5 * exact)
  }

  @Test func isTheSameEveryTime() throws {
    let model = try Fixture.mistralGQA.model()
    let windows = someWindows(20, 40, below: 320)
    let subnet = pruned(model, strongly: true)
    let first = try DenseReference(model, windows: windows).compare(subnet)
    let second = try DenseReference(model, windows: windows).compare(subnet)
    #expect(first.divergence == second.divergence)
    #expect(first.perplexity.windowMeans == second.perplexity.windowMeans)
  }
}

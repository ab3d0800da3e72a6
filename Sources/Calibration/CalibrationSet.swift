import LanguageModels
import LinearAlgebra
import Runtime
import Tokenizers

/// Token windows of one source: windows to calibrate on, and disjoint windows to judge candidates by.
public struct CalibrationSet: Sendable {
  public let name: String
  /// Windows on which the statistics are gathered.
  public let calibration: TokenWindows
  /// Windows on which the search measures fitness.
  public let fitness: TokenWindows
  /// Windows that a descent goes over beside those of the calibration.
  public let further: TokenWindows

  /// Numbers and lengths of the windows.
  public struct Plan: Sendable, Equatable {
    public var windows: Int
    public var length: Int
    public var fitnessWindows: Int
    public var fitnessLength: Int

    public init(windows: Int, length: Int, fitnessWindows: Int, fitnessLength: Int) {
      self.windows = windows
      self.length = length
      self.fitnessWindows = fitnessWindows
      self.fitnessLength = fitnessLength
    }

    /// Number and length of sampled sequences. Whole fitness windows are cut from the sequences after those of the
    /// calibration.
    public var sampled: (sequences: Int, length: Int) {
      let perWindow = length / fitnessLength
      let forFitness = perWindow > 0 ? (fitnessWindows + perWindow - 1) / perWindow : fitnessWindows
      return (windows + forFitness, max(length, fitnessLength))
    }
  }

  /// Largest number of bytes of the cache of keys and values while windows are sampled. It is the same on every
  /// machine, because the last bits of logits depend on the number of sequences that are generated together.
  private static let cacheBytes = 2 << 30

  public init(
    name: String, calibration: TokenWindows, fitness: TokenWindows, further: TokenWindows = TokenWindows([])
  ) {
    self.name = name
    self.calibration = calibration
    self.fitness = fitness
    self.further = further
  }

  /// All windows of a descent.
  public var training: TokenWindows {
    TokenWindows(length: calibration.length, tokens: calibration.tokens + further.tokens)
  }

  /// Cuts a text into non-overlapping stretches and deals them out by the seed, fitness first.
  ///
  /// If a text is too short for all windows, fitness gets what it asks for, but at most a quarter, and calibration gets
  /// the rest.
  /// - Throws: `CalibrationError.tooShort` if there is not even one window for each.
  public init(name: String, tokens: [Int32], plan: Plan, seed: UInt64) throws {
    let stretch = max(plan.length, plan.fitnessLength)
    let count = tokens.count / stretch
    let perStretch = stretch / plan.fitnessLength
    let fitnessStretches = min((plan.fitnessWindows + perStretch - 1) / perStretch, max(1, count / 4))
    guard count >= 2 else {
      throw CalibrationError.tooShort(source: name, tokens: tokens.count, window: stretch, needed: 2)
    }
    var random = SeededGenerator(seed: seed, stream: 1)
    let order = Array(0..<count).shuffled(using: &random)
    func cut(_ stretches: ArraySlice<Int>, length: Int, limit: Int) -> TokenWindows {
      let windows = stretches.flatMap { index in
        stride(from: index * stretch, through: (index + 1) * stretch - length, by: length).map { start in
          Array(tokens[start..<start + length])
        }
      }
      return TokenWindows(Array(windows.prefix(limit)))
    }
    self.name = name
    fitness = cut(order.prefix(fitnessStretches), length: plan.fitnessLength, limit: plan.fitnessWindows)
    calibration = cut(order.dropFirst(fitnessStretches), length: plan.length, limit: plan.windows)
    further = TokenWindows([])
  }

  /// Samples all windows from the model.
  ///
  /// Every window starts with a token drawn uniformly from the plain-text tokens and goes on at temperature 1, without
  /// end tokens (the starts of LLM-QAT, arXiv 2305.17888, section 3.1, with ancestral sampling).
  ///
  /// - Parameter precision: precision in which the model runs.
  public init<Model: Network>(
    sampledFrom model: Model, tokenizer: Tokenizer, plan: Plan, seed: UInt64,
    precision: Precision = .single, monitor: Monitor = .silent
  ) throws {
    let (total, length) = plan.sampled
    let rows = Int32(model.configuration.vocabularySize)
    let starts = tokenizer.plainTokens.filter { $0 < rows }
    var random = SeededGenerator(seed: seed, stream: 2)
    let prompts = (0..<total).map { _ in [starts[Int(random.next() % UInt64(starts.count))]] }
    // An embedding may have rows for ids that no token has.
    let unused = (0..<rows).filter { tokenizer.token(for: $0) == nil }
    var windows: [[Int32]] = []
    let room = Self.cacheBytes / max(1, Generator<Model>.cacheBytes(model.configuration, capacity: length))
    let batches = (total + max(1, room) - 1) / max(1, room)
    for batch in 0..<batches {
      // Batches are as even as possible: one of a few windows takes nearly as long as one of many.
      let start = batch * total / batches
      let part = Array(prompts[start..<(batch + 1) * total / batches])
      windows += try Generator.continuations(
        of: part, by: length - 1, model: model, sampling: Sampling(), seed: seed &+ UInt64(start),
        excluding: tokenizer.specialTokens + unused, precision: precision,
        generated: { try monitor.advance(.init(.sampling), start * length + $0 * part.count, of: total * length) })
    }
    name = CalibrationSource.model.name
    calibration = TokenWindows(windows.prefix(plan.windows).map { Array($0.prefix(plan.length)) })
    let pieces = windows.dropFirst(plan.windows).flatMap { window in
      stride(from: 0, through: length - plan.fitnessLength, by: plan.fitnessLength).map {
        Array(window[$0..<$0 + plan.fitnessLength])
      }
    }
    fitness = TokenWindows(Array(pieces.prefix(plan.fitnessWindows)))
    further = TokenWindows([])
  }
}

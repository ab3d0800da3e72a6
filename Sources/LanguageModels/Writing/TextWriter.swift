import LinearAlgebra
import Tokenizers

/// A prompt that is to be continued.
public struct WritingTask: Sendable {
  /// Tokens before the first that is written; one at least.
  public var prompt: [Int32]
  /// Largest number of tokens to write.
  public var most: Int
  /// Texts before which the writing ends.
  public var stops: [String]
  public var sampling = Sampling.greedy
  /// Draws the tokens: one number for each.
  public var random = SeededGenerator(seed: 0)
  /// Number of likely tokens that are told of at every place; `nil` tells nothing, not even of what is written.
  public var alternatives: Int?

  public init(_ prompt: [Int32], most: Int, stops: [String] = []) {
    (self.prompt, self.most, self.stops) = (prompt, most, stops)
  }
}

/// What was written behind a prompt.
public struct WrittenText: Sendable, Equatable {
  /// Without the stop and what follows it.
  public var text = ""
  /// All tokens that were drawn, also the one that ends a text, and those of a stop.
  public internal(set) var tokens: [Int32] = []
  /// One for each token, where they are asked for.
  public internal(set) var scores: [TokenScores] = []
  /// Whether a stop or the model ended the text, and not the number of tokens.
  public internal(set) var isStopped = false

  public init() {}

  /// A text of the one token that follows a prompt, which was drawn already.
  public init(_ token: TokenScores, isTold: Bool) {
    tokens = [token.token]
    if isTold { scores = [token] }
  }
}

/// Continues prompts of any lengths, several at once, each as if it stood alone.
public struct TextWriter<Model: Network>: Sendable {
  /// How the text of written tokens is found.
  public enum Reading: Sendable {
    /// From them alone, as benchmarks do: some tokenizers then drop a space at the beginning.
    case alone
    /// From what they add to the text of the prompt.
    case behindPrompt
  }

  private let model: Model
  private let tokenizer: Tokenizer
  private let ends: Set<Int32>
  private let reading: Reading
  /// Most prompts that go on together.
  private static var most: Int { 16 }

  /// - Parameter ends: tokens with which a text ends.
  public init(_ model: Model, _ tokenizer: Tokenizer, ends: Set<Int32>, reading: Reading) {
    (self.model, self.tokenizer, self.ends, self.reading) = (model, tokenizer, ends, reading)
  }

  /// Writes until all texts have ended.
  ///
  /// - Parameters:
  ///   - isWanted: asked before every token whether a task's text is still wanted; what is not is never finished.
  ///   - checkpoint: hears before every token how many tasks are done with their group; an error that it throws ends all.
  ///   - wrote: hears of every token but the last what is written so far, whose `text` is not filled in.
  ///   - finished: gets each text as soon as it has ended.
  public func write(
    _ tasks: [WritingTask], isWanted: (_ task: Int) -> Bool = { _ in true },
    checkpoint: (_ done: Int) throws -> Void = { _ in }, wrote: (_ task: Int, WrittenText) -> Void = { _, _ in },
    finished: (_ task: Int, WrittenText) throws -> Void
  ) throws {
    // Prompts of like lengths wait little for each other.
    let order = tasks.indices.sorted { (tasks[$0].prompt.count, $0) < (tasks[$1].prompt.count, $1) }
    let longest = tasks.reduce(0) { max($0, $1.prompt.count + $1.most) }
    let bytes = Generator<Model>.cacheBytes(model.configuration, capacity: longest)
    let together = max(1, min(Self.most, model.memory.generator / max(1, bytes)))
    for start in stride(from: 0, to: order.count, by: together) {
      let part = order[start..<min(start + together, order.count)].filter(isWanted)
      try write(
        part.map { tasks[$0] }, isWanted: { isWanted(part[$0]) }, checkpoint: { try checkpoint(start) },
        wrote: { wrote(part[$0], $1) }, finished: { try finished(part[$0], $1) })
    }
  }

  /// A prompt and what follows it so far.
  private struct Line {
    var task: WritingTask
    var written = WrittenText()
    var isDone = false

    /// The token whose successor is written next.
    var last: Int32? { written.tokens.last ?? task.prompt.last }
  }

  private func write(
    _ tasks: [WritingTask], isWanted: (Int) -> Bool, checkpoint: () throws -> Void, wrote: (Int, WrittenText) -> Void,
    finished: (Int, WrittenText) throws -> Void
  ) throws {
    if tasks.isEmpty { return }
    var lines = tasks.map { Line(task: $0) }
    func goesOn() throws -> Bool {
      try checkpoint()
      for place in lines.indices where !lines[place].isDone && !isWanted(place) { lines[place].isDone = true }
      return !lines.allSatisfy(\.isDone)
    }
    let capacity = tasks.reduce(0) { max($0, $1.prompt.count + $1.most) }
    let decoder = model.engine.decoder(model, sequences: lines.count, capacity: capacity, .single)
    guard try decoder.read(lines.map { $0.task.prompt.dropLast() }, goesOn: goesOn) else { return }
    while try goesOn() {
      let active = lines.indices.filter { !lines[$0].isDone }
      let logits = try decoder.step(lines.map { $0.isDone ? nil : $0.last })
      for (row, place) in active.enumerated() {
        add(logits.row(row), count: logits.columns, to: &lines[place])
        if lines[place].isDone { try finished(place, lines[place].written) } else { wrote(place, lines[place].written) }
      }
    }
  }

  private func add(_ logits: UnsafeMutablePointer<Float>, count: Int, to line: inout Line) {
    let task = line.task
    let token = task.sampling.token(logits, count: count, uniform: line.task.random.unit())
    line.written.tokens.append(token)
    if let most = task.alternatives {
      line.written.scores.append(TokenScores(of: token, logits: logits, count: count, alternatives: most))
    }
    line.isDone = ends(&line.written, of: task)
  }

  /// Whether a text ends with its last token; gives it its text where it is needed.
  private func ends(_ written: inout WrittenText, of task: WritingTask) -> Bool {
    let isLast = written.tokens.count >= task.most
    written.isStopped = written.tokens.last.map(ends.contains) ?? false
    if !isLast, !written.isStopped, task.stops.isEmpty { return false }
    finish(&written, behind: task.prompt, stops: task.stops)
    return isLast || written.isStopped
  }

  /// Gives written tokens their text, up to the first stop.
  public func finish(_ written: inout WrittenText, behind prompt: [Int32], stops: [String]) {
    let tokens = written.tokens.last.map(ends.contains) ?? false ? Array(written.tokens.dropLast()) : written.tokens
    written.isStopped = tokens.count < written.tokens.count
    let text =
      switch reading {
      case .alone: tokenizer.decode(tokens, skipSpecialTokens: true)
      case .behindPrompt: tokenizer.continuation(of: prompt, by: tokens)
      }
    let end = stops.compactMap { text.firstPlace(of: $0) }.min()
    written.text = end.map { String(text.unicodeScalars.prefix($0)) } ?? text
    written.isStopped = written.isStopped || end != nil
  }
}

extension String {
  /// The number of code points before a text that is in this one.
  fileprivate func firstPlace(of wanted: String) -> Int? {
    let (own, wanted) = (Array(unicodeScalars), Array(wanted.unicodeScalars))
    guard !wanted.isEmpty, own.count >= wanted.count else { return nil }
    return (0...own.count - wanted.count).first { own[$0...].starts(with: wanted) }
  }
}

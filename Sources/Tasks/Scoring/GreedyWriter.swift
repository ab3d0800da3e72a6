import LanguageModels
import LinearAlgebra
import Runtime
import Tokenizers

/// Continues prompts of any lengths by the most likely tokens until a text stops them.
struct GreedyWriter<Model: Network> {
  private let model: Model
  private let tokenizer: Tokenizer
  /// Most prompts that go on together.
  private static var most: Int { 16 }

  typealias Asked = (prompt: [Int32], question: GenerationQuestion)

  init(_ model: Model, _ tokenizer: Tokenizer) { (self.model, self.tokenizer) = (model, tokenizer) }

  /// What is written behind each prompt, without the stop and what follows it.
  func texts(_ asked: [Asked], of stage: Monitor.Stage, _ monitor: Monitor) throws -> [String] {
    // Prompts of like lengths wait little for each other.
    let order = asked.indices.sorted { (asked[$0].prompt.count, $0) < (asked[$1].prompt.count, $1) }
    var result = [String](repeating: "", count: asked.count)
    let longest = asked.reduce(0) { max($0, $1.prompt.count + $1.question.most) }
    let bytes = Generator<Model>.cacheBytes(model.configuration, capacity: longest)
    let together = max(1, min(Self.most, model.memory.generator / max(1, bytes)))
    for start in stride(from: 0, to: order.count, by: together) {
      let part = order[start..<min(start + together, order.count)]
      let texts = try write(part.map { asked[$0] }) { try monitor.advance(stage, start, of: asked.count) }
      for (index, text) in zip(part, texts) { result[index] = text }
    }
    return result
  }

  /// A prompt and what follows it so far.
  private struct Line {
    var tokens: [Int32]
    let prompt: Int
    let question: GenerationQuestion
    var text = ""
    var isDone = false
  }

  private func write(_ asked: [Asked], _ checkpoint: () throws -> Void) throws -> [String] {
    var lines = asked.map { Line(tokens: $0.prompt, prompt: $0.prompt.count, question: $0.question) }
    let capacity = lines.reduce(0) { max($0, $1.prompt + $1.question.most) }
    let decoder = model.engine.decoder(model, sequences: lines.count, capacity: capacity, .single)
    for position in 0..<capacity where !lines.allSatisfy(\.isDone) {
      try checkpoint()
      // A line that has ended goes on with its last token, which nobody reads.
      let logits = try decoder.step(lines.map { $0.tokens[min(position, $0.tokens.count - 1)] })
      for place in lines.indices where !lines[place].isDone && position >= lines[place].tokens.count - 1 {
        add(Int32(Kernels.argmax(logits.row(place), count: logits.columns)), to: &lines[place])
      }
    }
    return lines.map(\.text)
  }

  private func add(_ token: Int32, to line: inout Line) {
    line.tokens.append(token)
    let written = line.tokens[line.prompt...]
    let text = tokenizer.decode(Array(written), skipSpecialTokens: true)
    let end = line.question.stops.compactMap { text.firstPlace(of: $0) }.min()
    line.text = end.map { String(text.unicodeScalars.prefix($0)) } ?? text
    line.isDone = end != nil || token == tokenizer.eosToken || written.count >= line.question.most
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

import ArgumentParser
import Checkpoints
import Pipeline

/// Pieces of the texts that a model is to continue.
struct ContinuationOptions: ParsableArguments {
  @Option(help: "Pieces of each text to continue, to see how the model writes, and how much of it it repeats.")
  var generate: Int?
  @Option(
    help:
      "With --generate: most tokens behind a piece. Default: \(ContinuationRequest.standardTokens).")
  var generateTokens: Int?

  /// Pieces of the texts of a request; `nil` if none are asked for.
  func request(_ evaluated: EvaluateRequest?) -> ContinuationRequest? {
    guard let generate else { return nil }
    var request = ContinuationRequest(texts: evaluated?.texts ?? [], count: generate)
    request.tokens = generateTokens ?? request.tokens
    return request
  }

  func validate() throws {
    if generate == nil, generateTokens != nil { throw ValidationError("--generate-tokens goes with --generate") }
  }
}

extension ContinuationJob.Outcome {
  /// For people: what both models wrote, one below the other, on a line each.
  var lines: [String] {
    func line(_ name: String, _ written: ContinuationJob.Written) -> String {
      "  \(name), \(Self.share(written.repetition)) repeated: \(JSONValue.string(written.text).text())"
    }
    let pieces = continuations.flatMap { piece in
      ["\(piece.file): \(JSONValue.string(piece.prompt).text())", line("model", piece.own)]
        + (piece.dense.map { [line("dense", $0)] } ?? [])
    }
    let dense = continuations.contains { $0.dense != nil } ? ", dense \(Self.share(denseRepetition))" : ""
    return pieces + ["mean repetition rate: model \(Self.share(repetition))\(dense)"]
  }

  private static func share(_ rate: Double?) -> String { rate.map { "\(($0 * 100).fixed(1)) %" } ?? "–" }

  var document: JSONValue {
    func written(_ written: ContinuationJob.Written) -> JSONValue {
      [
        "text": .string(written.text), "tokens": .integer(written.tokens), "repetition": .optional(written.repetition),
      ]
    }
    let pieces = continuations.map { piece -> JSONValue in
      [
        "file": .string(piece.file), "prompt": .string(piece.prompt), "model": written(piece.own),
        "dense": piece.dense.map(written) ?? .null,
      ]
    }
    return [
      "pieces": .array(pieces), "repetition": .optional(repetition), "dense_repetition": .optional(denseRepetition),
    ]
  }
}

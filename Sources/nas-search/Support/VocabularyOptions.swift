import ArgumentParser
import Calibration
import Checkpoints
import Pipeline

/// The options that decide which tokens of a vocabulary stay.
struct VocabularyOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: "Drop the tokens that these texts do not use. Text files: plain or JSON lines, also packed (.gz, .zst).",
    transform: LocalPath.checked) var vocabulary: [String] = []
  @Option(
    help:
      "Most tokens that stay: those without which some text could not be spelt, then the most used in the texts of --vocabulary, then those of their characters, then the tokenizer's most common."
  )
  var keepTokens: Int?
  @Option(
    parsing: .upToNextOption,
    help:
      "Text files on which the smaller vocabulary is tried. Default: the last tenth of each text of --vocabulary.",
    transform: LocalPath.checked) var heldOut: [String] = []

  func validate() throws { try UsageError.check { try request(field: "text").validate() } }

  /// - Parameter field: of the text in JSON lines.
  func request(field: String) -> VocabularyRequest {
    func sources(_ paths: [String]) -> [CalibrationSource] { paths.map { CalibrationSource($0, field: field) } }
    return VocabularyRequest(texts: sources(vocabulary), limit: keepTokens, heldOut: sources(heldOut))
  }
}

extension VocabularyOutcome {
  /// For people.
  var line: String {
    var line =
      "vocabulary: \(tokens) of \(parentTokens) tokens stay, \((100 * savedShare).fixed(1)) % of the weights' bytes go"
    if let trial {
      line +=
        "; \(trial.text) takes \((100 * trial.growth).fixed(2)) % more tokens (\(trial.tokens) instead of "
        + "\(trial.parentTokens))"
    }
    return line
  }

  /// For JSON.
  var document: JSONValue {
    [
      "parent_tokens": .integer(parentTokens), "tokens": .integer(tokens), "saved_share": .number(savedShare),
      "held_out": trial?.record ?? .null,
    ]
  }
}

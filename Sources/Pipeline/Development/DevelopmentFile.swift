import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import Studies
import Tasks

/// The development items of a study as tokens, kept beside it so that resuming and workers see exactly the same ones.
struct DevelopmentFile: Codable, Sendable, Equatable {
  static let name = "tasks.json"

  struct StoredTask: Codable, Sendable, Equatable {
    var task: DevelopmentTask
    var items: [ChoiceItem]
  }

  /// Fingerprint of the model whose tokenizer made the tokens.
  var model: String
  var tasks: [StoredTask] = []

  init(model: String) { self.model = model }

  /// Every choice of every item, task by task.
  var choices: [ScoredTokens] { tasks.flatMap { $0.items.flatMap(\.choices) } }

  /// Tokens that a model reads and those whose likelihood it tells.
  func tokens(for configuration: ModelConfiguration) -> (read: Int, scored: Int) {
    let choices = choices
    let trees = TokenTrees.batches(of: choices.map(\.input), for: configuration)
    return (trees.reduce(0) { $0 + $1.tokens.count }, choices.reduce(0) { $0 + $1.scored })
  }

  func data() throws -> Data { try StoredJSON.document(self, schema: "tasks", indented: false) }

  /// Reads the items of a study; `nil` for a study without tasks.
  ///
  /// - Throws: `PipelineError.damaged`.
  static func read(_ study: Study, _ settings: SearchSettings, of model: ModelConfiguration) throws -> DevelopmentFile?
  {
    guard let plan = settings.tasks else { return nil }
    let path = study.path(of: name)
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws {
      if !condition { throw PipelineError.damaged(path: path, problem: problem()) }
    }
    guard let data = try study.file(name) else {
      throw PipelineError.damaged(path: path, problem: "the development items are missing")
    }
    guard let found = try? StoredJSON.decoder().decode(DevelopmentFile.self, from: data) else {
      throw PipelineError.damaged(path: path, problem: "the development items cannot be read")
    }
    try require(found.tasks.map(\.task) == plan.sets.map(\.task), "its tasks are not those of the study's settings")
    for stored in found.tasks {
      try require(stored.items.count == stored.task.items, "'\(stored.task.name)' has another number of items")
      for item in stored.items {
        try require(
          item.isWhole(vocabulary: model.vocabularySize, longest: model.longestContext),
          "the item \(item.place) of '\(stored.task.name)' is none of this model")
      }
    }
    return found
  }
}

extension ChoiceItem {
  /// Whether a model can score it.
  fileprivate func isWhole(vocabulary: Int, longest: Int) -> Bool {
    choices.count == lengths.count && choices.indices.contains(right) && lengths.allSatisfy { $0 > 0 }
      && choices.allSatisfy { choice in
        (1..<max(2, choice.tokens.count)).contains(choice.scored) && choice.tokens.count > choice.scored
          && choice.tokens.count <= longest + 1 && choice.tokens.allSatisfy { (0..<vocabulary).contains(Int($0)) }
      }
  }
}

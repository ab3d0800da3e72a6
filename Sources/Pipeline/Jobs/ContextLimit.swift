import Checkpoints
import Foundation
import LanguageModels

/// How long windows of text may be: as long as the context of the models that read them.
///
/// Beyond it, positions are met that the model was never trained on, and whatever is measured there is not the model's.
public struct ContextLimit {
  /// Positions of the model with the fewest.
  public let tokens: Int
  /// That model.
  private let path: String

  /// Reads no weights: whoever asks opens the models themselves later.
  ///
  /// - Parameter paths: of the models, at least one.
  /// - Throws: what is wrong with a model's configuration.
  public init(of paths: String...) throws {
    let contexts = try paths.map { path in
      (path: path, tokens: try ModelConfiguration(of: URL(fileURLWithPath: path)).longestContext)
    }
    (path, tokens) = contexts.sorted { $0.tokens < $1.tokens }[0]
  }

  public init(_ model: LanguageModel) {
    (path, tokens) = (model.location.relativePath, model.configuration.longestContext)
  }

  /// The length of windows: what was asked for, also beyond the context, but not without a warning; else the default,
  /// or the context where that is shorter.
  ///
  /// - Parameter option: its name on the command line.
  public func length(_ given: Int?, default standard: Int, option: String) -> Int {
    if let given {
      if given > tokens {
        Notices.tell(
          "\(option) \(given) exceeds the context of \(path), \(tokens) tokens: at positions beyond it the model is not "
            + "what it was trained to be")
      }
      return given
    }
    if standard <= tokens { return standard }
    let fitting = max(2, tokens)
    Notices.tell("\(option) is \(fitting) instead of \(standard) tokens, the context of \(path)")
    return fitting
  }
}

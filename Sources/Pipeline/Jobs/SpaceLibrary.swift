import Foundation
import Importance
import Subnets

/// Search spaces by name or by path.
public enum SpaceLibrary {
  /// Text of a space.
  ///
  /// - Parameter nameOrPath: name of a space that is part of the program, or path of a `.yaml` file.
  public static func text(_ nameOrPath: String) throws -> String {
    nameOrPath.hasSuffix(".yaml") || nameOrPath.hasSuffix(".yml")
      ? try SearchSpace.text(of: URL(fileURLWithPath: nameOrPath)) : try SearchSpace.text(ofShipped: nameOrPath)
  }

  /// The space that a text describes, with names of scores that exist.
  ///
  /// - Parameters:
  ///   - file: name for errors.
  ///   - scores: scores that replace those of the text; `nil` keeps them.
  public static func parse(_ text: String, file: String, scores: [String]? = nil) throws -> SearchSpace {
    let space = try SearchSpace(yaml: text, file: file, scores: scores)
    for score in space.allScores {
      do {
        _ = try ImportanceRegistry.named(score)
      } catch {
        throw SearchSpaceError.invalid(file: file, problem: "\(error)")
      }
    }
    return space
  }
}

import Checkpoints
import Foundation

/// Files with a value, or a word, in each line. They may be packed or of another encoding, as texts may be.
public enum JSONLines {
  /// The JSON values of the lines that are not blank, with their numbers from 1.
  ///
  /// - Throws: `CalibrationError`, which names the file, and for a line that is not JSON the line and the byte.
  public static func read(_ url: URL) throws -> [(line: Int, value: JSONValue)] {
    try TextFile.withUTF8(of: url) { bytes in
      try Lines(bytes).map { line in
        do {
          return (line.number, try line.value())
        } catch let error as JSONSyntaxError {
          throw CalibrationError.badJSON(
            file: url.path, line: line.number, byte: line.indentation + error.position, problem: error.problem)
        }
      }
    }
  }

  /// The texts of the lines that are not blank, without the white space around them, with their numbers from 1.
  public static func words(of url: URL) throws -> [(line: Int, text: String)] {
    try TextFile.withUTF8(of: url) { bytes in
      Lines(bytes).map { ($0.number, String(decoding: $0.bytes, as: UTF8.self)) }
    }
  }

  /// The whole file.
  public static func text(of url: URL) throws -> String {
    try TextFile.withUTF8(of: url) { String(decoding: $0, as: UTF8.self) }
  }
}

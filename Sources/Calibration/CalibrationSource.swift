import Checkpoints
import Foundation

/// Where calibration text comes from.
public enum CalibrationSource: Sendable, Equatable {
  /// Windows sampled from the model itself, so that no data is needed.
  case model
  /// A plain text file.
  case text(URL)
  /// One JSON object a line; the text stands in `field`.
  case jsonLines(URL, field: String)

  /// Reads a command-line value: `self`, a `.jsonl` file, or any other file as plain text.
  public init(_ argument: String, field: String) {
    if argument == "self" {
      self = .model
    } else {
      let url = URL(fileURLWithPath: argument)
      self = url.pathExtension == "jsonl" ? .jsonLines(url, field: field) : .text(url)
    }
  }

  /// A short name for genes and reports: `self`, or the file's name without extension.
  public var name: String {
    switch self {
    case .model: "self"
    case .text(let url), .jsonLines(let url, _): url.deletingPathExtension().lastPathComponent
    }
  }

  public var url: URL? {
    switch self {
    case .model: nil
    case .text(let url), .jsonLines(let url, _): url
    }
  }
}

/// Reading text files for calibration and evaluation.
public enum TextCorpus {
  /// The whole text of a file; the texts of JSON lines are joined by blank lines.
  ///
  /// - Throws: `CalibrationError` for a file that is missing, not UTF-8 or empty, and for a line without the field.
  public static func read(_ source: CalibrationSource) throws -> String {
    switch source {
    case .model: return ""
    case .text(let url): return try content(of: url)
    case .jsonLines(let url, let field):
      let joined = try records(url, field: field).joined(separator: TextDocuments.separator)
      if joined.utf8.isEmpty { throw CalibrationError.emptyText(file: url.path) }
      return joined
    }
  }

  /// The texts of JSON lines, one a record; lines that are blank are skipped.
  static func records(_ url: URL, field: String) throws -> [String] {
    let lines = try content(of: url).utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    return try lines.enumerated().compactMap { number, line -> String? in
      let text = String(Substring(line))
      if text.utf8.allSatisfy({ $0 == 32 || $0 == 9 || $0 == 13 }) { return nil }
      guard let object = try? JSONValue.parse(text, file: url.path), let value = object[field]?.string else {
        throw CalibrationError.badLine(file: url.path, line: number + 1, field: field)
      }
      return value
    }
  }

  private static func content(of url: URL) throws -> String {
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      let exists = FileManager.default.fileExists(atPath: url.path)
      throw CalibrationError.unreadable(file: url.path, reason: exists ? "it cannot be read" : "no such file")
    }
    if data.isEmpty { throw CalibrationError.emptyText(file: url.path) }
    guard let text = String(validating: data, as: UTF8.self) else { throw CalibrationError.notUTF8(file: url.path) }
    return text
  }
}

import Foundation

/// The source of calibration text.
public enum CalibrationSource: Sendable, Equatable {
  /// Windows sampled from the model itself, so that no data is needed.
  case model
  /// A file. Its content tells whether it is one text or holds records of JSON. `field` names the place of the text in
  /// a record.
  case file(URL, field: String)

  /// Reads a command-line value: `self`, or the path of a file.
  public init(_ argument: String, field: String) {
    self = argument == "self" ? .model : .file(URL(fileURLWithPath: argument), field: field)
  }

  /// A short name for genes and reports: `self`, or the file's name without extensions: `a` for `a.jsonl.gz`.
  public var name: String { url.map(Self.name(of:)) ?? "self" }

  public var url: URL? {
    switch self {
    case .model: nil
    case .file(let url, _): url
    }
  }

  /// A packed file is named after its content.
  public static func name(of url: URL) -> String { content(of: url).deletingPathExtension().lastPathComponent }

  /// Whether the name of a file says that it is JSON.
  static func isNamedJSON(_ url: URL) -> Bool {
    ["json", "jsonl", "ndjson", "jsonlines"].contains(content(of: url).pathExtension.lowercased())
  }

  private static func content(of url: URL) -> URL {
    ["gz", "zst"].contains(url.pathExtension.lowercased()) ? url.deletingPathExtension() : url
  }
}

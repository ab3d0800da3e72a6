import Foundation

/// The source of calibration text.
public enum CalibrationSource: Sendable, Equatable, Codable {
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

  /// Field of the text in records of JSON; `nil` for the model's own text.
  public var field: String? { if case .file(_, let field) = self { field } else { nil } }

  public var url: URL? { if case .file(let url, _) = self { url } else { nil } }

  private enum CodingKeys: String, CodingKey { case path, field }

  /// Reads what `encode` wrote: `{"path": …, "field": …}`, or `{"path": null}` for the model's own text.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    guard let path = try values.decode(String?.self, forKey: .path) else {
      self = .model
      return
    }
    self = .file(URL(fileURLWithPath: path), field: try values.decode(String.self, forKey: .field))
  }

  /// Writes the path as it was given.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(url?.relativePath, forKey: .path)
    try values.encodeIfPresent(field, forKey: .field)
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

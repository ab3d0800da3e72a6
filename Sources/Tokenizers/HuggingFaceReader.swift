import Checkpoints
import Foundation

/// Reads a tokenizer from the JSON files of a Hugging Face folder.
enum HuggingFaceReader {
  private static let main = "tokenizer.json"
  private static let configuration = "tokenizer_config.json"
  private static let map = "special_tokens_map.json"
  private static let added = "added_tokens.json"
  private static let template = "chat_template.jinja"
  /// The files that belong to the tokenizer; only the first is required.
  static let fileNames = [main, configuration, map, added, template]
  /// Files in the place of `tokenizer.json` that only other programs read.
  private static let otherTokenizers = ["tokenizer.model", "vocab.json", "tekken.json", "tiktoken.model"]

  /// The tokenizer's files in `directory`, by name.
  static func files(in directory: URL) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in fileNames {
      let url = directory.appendingPathComponent(name)
      guard FileManager.default.fileExists(atPath: url.path) else { continue }
      do {
        files[name] = try Data(contentsOf: url)
      } catch {
        throw TokenizerError.unreadableFile(path: url.path, reason: error.localizedDescription)
      }
      let kind = files[name]?.withUnsafeBytes { FileKind($0) }
      if let kind, kind != .utf8Mark {
        throw CheckpointError.otherKind(kind, path: url.path, expected: "a part of a tokenizer")
      }
    }
    if files[main] == nil {
      let other = otherTokenizers.first {
        FileManager.default.fileExists(atPath: directory.appendingPathComponent($0).path)
      }
      throw TokenizerError.missingFile(
        path: directory.appendingPathComponent(main).path,
        advice: other.map { advice($0, hasOwnCode: hasOwnCode(files[configuration]), directory.path) })
    }
    return files
  }

  /// Whether transformers opens the tokenizer by Python code that comes with it.
  private static func hasOwnCode(_ configuration: Data?) -> Bool {
    let json = configuration.flatMap { data in
      try? data.withUnsafeBytes { try JSONValue.parse($0, file: Self.configuration, dialect: .python) }
    }
    return json?["auto_map"]?["AutoTokenizer"] != nil
  }

  private static func advice(_ other: String, hasOwnCode: Bool, _ folder: String) -> String {
    hasOwnCode
      ? "there is \(other), which only the folder's own Python code opens, and which is not read here; a GGUF file that llama.cpp's "
        + "convert_hf_to_gguf.py makes of the folder holds the tokenizer in a form that is read"
      : "there is \(other), from which transformers makes it: python -c \"from transformers import AutoTokenizer as T; "
        + "T.from_pretrained('\(folder)').save_pretrained('\(folder)')\""
  }

  /// - Parameter folder: the path that error messages put before the names of the files.
  static func definition(from files: [String: Data], folder: String) throws -> TokenizerDefinition {
    func path(_ name: String) -> String { (folder as NSString).appendingPathComponent(name) }
    func object(_ name: String) throws -> JSONValue? {
      guard let data = files[name] else { return nil }
      let value = try data.withUnsafeBytes { try JSONValue.parse($0, file: path(name), dialect: .ordered) }
      guard value.members != nil else {
        throw TokenizerError.invalidField(file: path(name), field: "the document", expected: "an object")
      }
      return value
    }
    guard let json = try object(main) else { throw TokenizerError.missingFile(path: path(main)) }
    let configuration = try object(configuration)
    let document = HuggingFaceDocument(file: path(main))
    let (known, written) = try document.vocabulary(json)
    var vocabulary = known
    let special = try HuggingFaceSpecialTokens(
      configuration: configuration, map: try object(map), addedFile: try object(added).map { ($0, path(added)) },
      path: path(self.configuration), vocabulary: vocabulary, writtenIds: written, padding: json["padding"])
    vocabulary.add(special.additions)

    var definition = try document.tokenizer(json, vocabulary)
    func token(_ name: String) -> Int32? { special.named[name].flatMap { definition.id(of: $0) } }
    definition.bosToken = token("bos_token") ?? definition.prefix.first
    definition.eosToken = token("eos_token") ?? definition.suffix.last
    definition.paddingToken = token("pad_token")
    definition.unknownToken = token("unk_token") ?? definition.unknownToken
    definition.splitsSpecialTokens = configuration?["split_special_tokens"]?.bool ?? false
    definition.chatTemplate =
      files[template].map { String(decoding: $0, as: UTF8.self) } ?? chatTemplate(configuration?["chat_template"])
    return definition
  }

  /// A template as it is, or the one named "default" of a list of templates.
  private static func chatTemplate(_ json: JSONValue?) -> String? {
    if let template = json?.string { return template }
    let named = json?.array ?? []
    return (named.first { $0["name"]?.string == "default" } ?? named.first)?["template"]?.string
  }
}

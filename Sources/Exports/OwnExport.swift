import Checkpoints
import Foundation
import LanguageModels

/// Recognises exports of this program, which `--replace` may replace.
enum OwnExport {
  /// The record that every folder of ours holds.
  static let recordFile = "nas_search.json"
  /// The same in GGUF.
  static let recordKey = "nas_search.record"
  /// The type of the weights that the file was written with.
  static let typeKey = "nas_search.weights"

  /// Files of an export beside the weights.
  private static let fileNames = Set([
    recordFile, "README.md", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "chat_template.jinja", SafetensorsCheckpoint.singleFileName,
    SafetensorsCheckpoint.indexFileName,
  ]).union(Family.all.flatMap(\.huggingFaceForms).compactMap { form in form.module.map { "\($0.name).py" } })

  /// A reason against replacing the content of a destination.
  static func objection(_ format: ExportFormat) -> Destination.Objection {
    switch format {
    case .huggingFace: folder
    case .gguf: file
    }
  }

  private static func folder(_ url: URL) -> String? {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted()
    guard names.contains(recordFile) else {
      return names.contains("config.json")
        ? "it is a checkpoint that nas-search did not write (there is no \(recordFile))"
        : "it is a folder of other things than a checkpoint of nas-search: \(listed(names))"
    }
    if !isRecord(url.appendingPathComponent(recordFile)) { return "its \(recordFile) is no record of nas-search" }
    let foreign = names.filter { !isOurs($0, in: url) }
    if !foreign.isEmpty { return "it also holds what nas-search did not write: \(listed(foreign))" }
    // Other writers of checkpoints sign what they save over ours.
    let config = try? JSONValue.read(url.appendingPathComponent("config.json"))
    if let version = config?["transformers_version"]?.string {
      return "its checkpoint was saved anew by transformers \(version)"
    }
    return nil
  }

  /// Whether a file holds keys that only a record of ours has; an export without a record has null.
  private static func isRecord(_ url: URL) -> Bool {
    var status = stat()
    guard lstat(url.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let record = try? JSONValue.read(url)
    else {
      return false
    }
    return record == .null || record["schema"]?.string?.hasPrefix("nas-search.") ?? (record["parent"] != nil)
  }

  private static func isOurs(_ name: String, in folder: URL) -> Bool {
    let isShard =
      name.hasPrefix("model-") && name.hasSuffix(".safetensors")
      && name.dropFirst("model-".count).dropLast(".safetensors".count).allSatisfy { $0.isNumber || "-of".contains($0) }
    var status = stat()
    return (isShard || fileNames.contains(name)) && lstat(folder.appendingPathComponent(name).path, &status) == 0
      && status.st_mode & S_IFMT != S_IFDIR
  }

  private static func file(_ url: URL) -> String? {
    guard let file = try? GGUFFile(url), file[recordKey] != nil else { return "it is no GGUF file of nas-search" }
    // Tools that quantise keep the keys, but for the type of the file. A file without a type is one of single values.
    let written = file[typeKey]?.string.flatMap(WeightType.init)
    let stored = file["general.file_type"]?.integer.map(UInt32.init(clamping:))
    if let written, written.isQuantised, stored == written.fileType { return nil }
    let types = Set(file.tensorNames.compactMap { try? file.tensor($0).type })
    let other = types.subtracting([.f32, .f16, .bf16]).map(\.name).sorted()
    return other.isEmpty
      ? nil : "its tensors were converted to \(other.joined(separator: ", ")) since nas-search wrote it"
  }

  private static func listed(_ names: [String]) -> String {
    names.prefix(3).map { "'\($0)'" }.joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
  }
}

import Checkpoints
import Foundation

/// Leaves tokens out of the files of a Hugging Face tokenizer, and gives the others their new ids. Whatever names no id
/// stays as it is.
struct HuggingFaceSelection {
  /// The content of the files.
  let definition: TokenizerDefinition
  let kept: KeptTokens

  func files(_ files: [String: Data]) throws -> [String: Data] {
    var files = files
    for (name, edit) in [
      ("tokenizer.json", document), ("tokenizer_config.json", configuration), ("added_tokens.json", addedFile),
    ] {
      guard let data = files[name] else { continue }
      let json = try data.withUnsafeBytes { try JSONValue.parse($0, file: name, dialect: .ordered) }
      files[name] = Data((try edit(json).text() + "\n").utf8)
    }
    return files
  }

  private func document(_ json: JSONValue) throws -> JSONValue {
    try json.mapMembers { member in
      switch member.key {
      case "added_tokens":
        let tokens = member.value.array ?? []
        return .array(
          try tokens.map { token in
            guard let id = try newId(ofAdded: token["content"]?.string) else { return token }
            return token.mapMembers { $0.key == "id" ? .integer(id) : $0.value }
          })
      case "post_processor": return try postProcessor(member.value)
      case "padding": return try member.value.mapMembers { $0.key == "pad_id" ? try mapped($0) : $0.value }
      case "model": return model(member.value)
      default: return member.value
      }
    }
  }

  /// The new id of an added token; nil if it has no text, which readers leave out.
  private func newId(ofAdded content: String?) throws -> Int? {
    guard let content, let token = definition.addedTokens.first(where: { $0.content.elementsEqual(content.utf8) })
    else { return nil }
    return Int(try kept.required(token.id, by: "added_tokens"))
  }

  // MARK: post-processor

  private func mapped(_ member: JSONMember) throws -> JSONValue { try mapped(member.value, member.key) }

  private func mapped(_ value: JSONValue, _ place: String) throws -> JSONValue {
    guard let id = value.id else { return value }
    return .integer(Int(try kept.required(id, by: place)))
  }

  private func postProcessor(_ step: JSONValue) throws -> JSONValue {
    try step.mapMembers { member in
      switch member.key {
      case "processors": return .array(try (member.value.array ?? []).map(postProcessor))
      // A token as ["</s>", 2].
      case "cls", "sep": return .array(try (member.value.array ?? []).map { try mapped($0, member.key) })
      case "special_tokens":
        return try member.value.mapMembers { entry in
          try entry.value.mapMembers { field in
            guard field.key == "ids" else { return field.value }
            return .array(try (field.value.array ?? []).map { try mapped($0, "post_processor.special_tokens") })
          }
        }
      default: return member.value
      }
    }
  }

  // MARK: model

  private func model(_ json: JSONValue) -> JSONValue {
    json.mapMembers { member in
      switch member.key {
      case "vocab":
        let tokens = (member.value.members ?? []).compactMap { token in
          token.value.id.flatMap(kept.newId).map { JSONMember(key: token.key, value: .integer(Int($0))) }
        }
        return .members(tokens)
      case "merges":
        // Old files have the first line of merges.txt.
        let written = (member.value.array ?? []).filter { !($0.string?.hasPrefix("#version") ?? false) }
        return .array(zip(written, definition.merges).filter { keeps($0.1) }.map(\.0))
      default: return member.value
      }
    }
  }

  private func keeps(_ merge: TokenizerDefinition.Merge) -> Bool {
    [merge.left, merge.right, merge.result].allSatisfy { kept.newId(of: $0) != nil }
  }

  // MARK: other files

  private func configuration(_ json: JSONValue) throws -> JSONValue {
    try json.mapMembers { member in
      guard member.key == "added_tokens_decoder" else { return member.value }
      let tokens = try (member.value.members ?? []).map { token in
        (id: try newId(ofAdded: token.value["content"]?.string) ?? -1, value: token.value)
      }
      return .members(
        tokens.filter { $0.id >= 0 }.sorted { $0.id < $1.id }.map { JSONMember(key: "\($0.id)", value: $0.value) })
    }
  }

  private func addedFile(_ json: JSONValue) throws -> JSONValue {
    try json.mapMembers { try newId(ofAdded: $0.key).map { .integer($0) } ?? $0.value }
  }
}

extension JSONValue {
  /// An object with other values; anything else as it is.
  fileprivate func mapMembers(_ value: (JSONMember) throws -> JSONValue) rethrows -> JSONValue {
    guard let members else { return self }
    return .members(try members.map { JSONMember(key: $0.key, value: try value($0)) })
  }
}

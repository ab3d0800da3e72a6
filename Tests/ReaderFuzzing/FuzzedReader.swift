import Foundation

/// One reader of files or texts, as the fuzzers see it.
///
/// `make fuzz` runs it under libFuzzer, which looks for inputs that reach new code; `make test` runs it on a fixed number of
/// mutated seeds. Both share seeds, mutations and what must hold.
public struct FuzzedReader: Sendable {
  public let name: String
  /// How inputs are laid out, for mutations that keep most of it intact.
  public let layout: InputLayout
  /// The file in `Fuzz/words` that lists words of the format.
  private let wordsFile: String
  /// Files of the repository that are seeds besides those in `Fuzz/seeds`.
  private let fixtures: [String]
  /// Errors by which the reader may refuse an input.
  let isRefusal: @Sendable (any Error) -> Bool
  /// Reads the input in full. Throws a refusal, or `Violation`.
  let read: @Sendable ([UInt8]) throws -> Void

  init(
    _ name: String, _ layout: InputLayout, words: String? = nil, fixtures: [String] = [],
    isRefusal: @escaping @Sendable (any Error) -> Bool, read: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.layout = layout
    wordsFile = "Fuzz/words/\(words ?? name).txt"
    self.fixtures = fixtures
    self.isRefusal = isRefusal
    self.read = read
  }

  /// Words of the format that mutations put in, one a line of their file; `\n`, `\r`, `\t` and `\x1E` stand for what they name.
  public func words() throws -> [String] {
    String(decoding: try Repository.bytes(wordsFile), as: UTF8.self).split(separator: "\n").map { line in
      [("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"), ("\\x1E", "\u{1E}")].reduce(String(line)) {
        $0.replacingOccurrences(of: $1.0, with: $1.1)
      }
    }
  }

  /// Whole inputs from which mutations begin.
  public func seeds() throws -> [[UInt8]] {
    try Repository.files(in: "Fuzz/seeds/\(name)") + fixtures.map(Repository.bytes)
  }

  /// Inputs that once broke a rule.
  public func regressions() throws -> [[UInt8]] { try Repository.files(in: "Fuzz/regressions/\(name)") }

  /// What became of an input that was handled as it should be.
  public enum Outcome: Sendable, Equatable {
    case accepted
    case refused(String)
  }

  /// Gives an input to the reader.
  /// - Throws: `Violation` if the reader broke a rule: an error that is none of ours, or what was read does not survive a
  ///   round trip.
  public func run(_ input: [UInt8]) throws -> Outcome {
    do {
      try read(input)
      return .accepted
    } catch let violation as Violation {
      throw violation
    } catch  where isRefusal(error) {
      return .refused("\(error)")
    } catch {
      throw Violation("an error that is not the reader's own: \(type(of: error)): \(error)")
    }
  }

  /// Every reader, in the order in which reports list them.
  public static let all: [FuzzedReader] = [
    .json, .tokenizerJSON, .safetensors, .safetensorsIndex, .gguf, .config, .tokenizer, .searchSpace, .text,
    .calibration,
    .address, .study,
  ]

  public static func named(_ name: String) -> FuzzedReader? { all.first { $0.name == name } }
}

/// A reader did what none may do.
public struct Violation: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }

  static func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws {
    if !condition { throw Violation(problem()) }
  }
}

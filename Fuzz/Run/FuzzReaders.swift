import Foundation
import LibFuzzer
import ReaderFuzzing

/// Runs one reader under libFuzzer, or writes its seeds and words for it.
///
///     fuzz-readers list
///     fuzz-readers seeds READER FOLDER DICTIONARY
///     fuzz-readers READER [libFuzzer's arguments]
@main struct FuzzReaders {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    switch arguments.first {
    case "list":
      for reader in FuzzedReader.all { print(reader.name) }
    case "seeds" where arguments.count == 4:
      try writeSeeds(of: reader(arguments[2]), to: arguments[3], dictionary: arguments[4])
    case let name?:
      fuzzed = try Fuzzed(reader(name))
      exit(runLibFuzzer())
    case nil:
      throw UsageError(description: "give a reader: \(FuzzedReader.all.map(\.name).joined(separator: ", "))")
    }
  }

  private static func reader(_ name: String) throws -> FuzzedReader {
    guard let reader = FuzzedReader.named(name) else {
      throw UsageError(
        description: "no reader '\(name)' (known: \(FuzzedReader.all.map(\.name).joined(separator: ", ")))")
    }
    return reader
  }

  private static func writeSeeds(of reader: FuzzedReader, to folder: String, dictionary: String) throws {
    let folder = URL(fileURLWithPath: folder)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (number, seed) in try (reader.seeds() + reader.regressions()).enumerated() {
      try Data(seed).write(to: folder.appendingPathComponent("seed-\(number)"))
    }
    // libFuzzer wants everything but plain letters as \xAB.
    let lines = try reader.words().map { word in
      "\"" + word.utf8.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined() + "\""
    }
    try lines.joined(separator: "\n").appending("\n").write(toFile: dictionary, atomically: false, encoding: .utf8)
  }

  /// libFuzzer must not see the reader's name, which it would take for a corpus.
  private static func runLibFuzzer() -> Int32 {
    var words = ([CommandLine.arguments[0]] + CommandLine.arguments.dropFirst(2)).map { strdup($0) }
    var count = Int32(words.count)
    return words.withUnsafeMutableBufferPointer { words in
      var start = words.baseAddress
      return LLVMFuzzerRunDriver(&count, &start) { data, size in
        fuzzed?.run(UnsafeBufferPointer(start: data, count: size))
        return 0
      }
    }
  }
}

struct UsageError: Error, CustomStringConvertible {
  let description: String
}

/// The one reader of this process. libFuzzer calls back without a context, always on the main thread.
nonisolated(unsafe) private var fuzzed: Fuzzed?

private struct Fuzzed {
  private let reader: FuzzedReader
  private var mutator: Mutator

  init(_ reader: FuzzedReader) throws {
    self.reader = reader
    mutator = try Mutator(reader, seed: 0)
  }

  /// Ends the process where a rule is broken: libFuzzer keeps the input.
  func run(_ input: UnsafeBufferPointer<UInt8>) {
    let before = PeakMemory.bytes
    do {
      _ = try reader.run(Array(input))
    } catch {
      fatal("\(error)")
    }
    let taken = PeakMemory.bytes - before
    if taken > PeakMemory.allowed(for: input.count) {
      fatal("an input of \(input.count) bytes took \(taken >> 20) MiB of memory")
    }
  }

  private func fatal(_ problem: String) -> Never {
    FileHandle.standardError.write(Data("VIOLATION (\(reader.name)): \(problem)\n".utf8))
    abort()
  }

  mutating func mutate(_ input: UnsafeBufferPointer<UInt8>, limit: Int, seed: UInt32) -> [UInt8] {
    mutator.restart(seed: UInt64(seed))
    return mutator.mutate(Array(input), limit: limit)
  }
}

/// libFuzzer's hook. One mutation in eight is its own, which learns from comparisons in the code but breaks most texts.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ limit: Int, _ seed: UInt32) -> Int {
  let input = UnsafeBufferPointer(start: data, count: size)
  guard seed & 7 != 0, let result = fuzzed?.mutate(input, limit: limit, seed: seed) else {
    return LLVMFuzzerMutate(data, size, limit)
  }
  result.withUnsafeBufferPointer { result in
    if let start = result.baseAddress { data.update(from: start, count: result.count) }
  }
  return result.count
}

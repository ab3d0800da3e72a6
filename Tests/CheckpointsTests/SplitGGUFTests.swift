import Foundation
import Testing

@testable import Checkpoints

/// Models in several GGUF files, made from parts whose keys and tensors a test chooses.
@Suite struct SplitGGUFTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func name(_ number: Int, of count: Int = 3) -> String { "m-0000\(number)-of-0000\(count).gguf" }

  /// Writes a part; the numbers in its keys may be others than those in its name.
  private func write(
    _ name: String, number: Int?, count: Int?, total: Int? = 3, _ tensors: String...,
    metadata: [String: GGUFValue] = [:]
  ) throws {
    var keys = metadata
    keys["split.no"] = number.map { .uint16(UInt16(clamping: $0)) }
    keys["split.count"] = count.map { .uint16(UInt16(clamping: $0)) }
    keys["split.tensors.count"] = total.map { .int32(Int32($0)) }
    try GGUFWriter.write(
      metadata: keys.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
      tensors: tensors.map { TensorPlan(name: $0, type: .f32, shape: [1]) }, to: scratch.path(name)
    ) { plan, write in
      try [Float(plan.name.utf8.count)].withUnsafeBufferPointer { try write($0) }
    }
  }

  private func writeAll() throws {
    try write(name(1), number: 0, count: 3, "a", metadata: ["general.architecture": .string("llama")])
    try write(name(2), number: 1, count: 3, "bb")
    try write(name(3), number: 2, count: 3, "ccc")
  }

  private func problem(_ name: String) -> String? {
    message(in: scratch) { _ = try GGUFFile(scratch.path(name)) }?.replacingOccurrences(of: scratch.url.path, with: "")
  }

  @Test(arguments: 1...3) func anyPartGivesTheWhole(number: Int) throws {
    try writeAll()
    let file = try GGUFFile(scratch.path(name(number)))
    #expect(file.location == scratch.path(name(number)))
    #expect(file.name == "m")
    #expect(file.tensorNames == ["a", "bb", "ccc"])
    #expect(try file.tensorNames.map { try file.tensor($0).floats() } == [[1], [2], [3]])
    #expect(try file.string("general.architecture") == "llama")
    #expect(try file.tensor("bb").file == scratch.path(name(2)).path)
  }

  @Test func missingPartsAreNamed() throws {
    try write(name(2), number: 1, count: 3)
    #expect(
      problem(name(2))
        == "\(name(2)): it is part 2 of 3 of a split model, and beside it are missing: \(name(1)), \(name(3))")
    try write("m-00001-of-00009.gguf", number: 0, count: 9)
    #expect(
      problem("m-00001-of-00009.gguf")
        == "m-00001-of-00009.gguf: it is part 1 of 9 of a split model, and beside it are missing: "
        + "m-00002-of-00009.gguf, m-00003-of-00009.gguf, m-00004-of-00009.gguf and 5 more")
  }

  @Test func renamedPartsAreNamed() throws {
    try write("model.gguf", number: 1, count: 3)
    #expect(
      problem("model.gguf")
        == "model.gguf: it is part 2 of 3 of a split model, but its name does not end in '-00002-of-00003.gguf', by which "
        + "the other parts are found; give all parts their names again")
    try write(name(1), number: 1, count: 3)
    #expect(problem(name(1))?.contains("'-00002-of-00003.gguf'") == true)
    try write("-00002-of-00003.gguf", number: 1, count: 3)
    #expect(problem("-00002-of-00003.gguf")?.contains("its name does not end in") == true)
  }

  @Test func partsOfOtherModelsAreNamed() throws {
    try writeAll()
    try write(name(3), number: 1, count: 3, "ccc")
    #expect(
      problem(name(1))
        == "\(name(3)): it has the name of part 3 of 3 of a split model, but is part 2 of 3 of a split model")
    try write(name(3), number: 2, count: 4, "ccc")
    #expect(problem(name(1))?.hasSuffix("but is part 3 of 4 of a split model") == true)
    try write(name(3), number: nil, count: nil, "ccc")
    #expect(problem(name(1))?.hasSuffix("but is a file of its own") == true)
    try write(name(3), number: 2, count: 3, "ccc", "d")
    #expect(
      problem(name(2))
        == "\(name(1)): the 3 parts of this split model hold 4 tensors, but its 'split.tensors.count' is 3: a part belongs "
        + "to another model")
    try write(name(3), number: 2, count: 3, "a")
    #expect(problem(name(2)) == "\(name(3)): tensor 'a': it is stored in \(name(1)), too")
  }

  @Test func damagedPartsAreNamed() throws {
    try writeAll()
    let whole = try Array(Data(contentsOf: scratch.path(name(2))))
    try scratch.write(Array(whole.dropLast(40)), to: name(2))
    #expect(problem(name(1))?.hasPrefix("\(name(2)): tensor 'bb': its 4 bytes at offset 0 exceed") == true)
    try scratch.write("<html>", to: name(2))
    #expect(problem(name(1))?.hasPrefix("\(name(2)): it is a web page (HTML), not a GGUF file") == true)
  }

  @Test func impossibleNumbersAreNamed() throws {
    try write(name(2), number: 3, count: 3)
    #expect(problem(name(2)) == "\(name(2)): 'split.no' is 3 (counted from 0) and 'split.count' is 3")
    try write(name(2), number: nil, count: 3)
    #expect(problem(name(2)) == "\(name(2)): the key 'split.no' is missing")
    try GGUFWriter.write(
      metadata: [("split.no", .int32(-1)), ("split.count", .int64(1 << 40))], tensors: [], to: scratch.path(name(2))
    ) { _, _ in }
    #expect(problem(name(2)) == "\(name(2)): 'split.no' is -1 (counted from 0) and 'split.count' is 1099511627776")
    try writeAll()
    try write(name(1), number: 0, count: 3, total: nil, "a")
    #expect(problem(name(3)) == "\(name(1)): the key 'split.tensors.count' is missing")
  }

  /// llama.cpp reads a file that says it is one of one, or of none, as a whole file, and also a whole file with the
  /// name of a part.
  @Test(arguments: [nil, 0, 1]) func wholeFiles(count: Int?) throws {
    try write(name(2), number: 0, count: count, "a")
    #expect(try GGUFFile(scratch.path(name(2))).tensorNames == ["a"])
  }

  @Test(arguments: [
    ("model.gguf-split-a", "piece"), ("model.Q6_K.gguf.part1of2", "piece"), ("model.gguf.001", "piece"),
    ("model.gguf.aa", "piece"), ("model.gguf.part", "download"), ("model.gguf.crdownload", "download"),
    ("model.gguf.incomplete", "download"),
  ])
  func piecesAndUnfinishedDownloadsAreNamed(name: String, word: String) throws {
    let whole = try Array(Data(contentsOf: fixture("quantised.gguf")))
    for bytes in [Array(whole.prefix(whole.count / 2)), Array(whole.suffix(whole.count / 2))] {
      try scratch.write(bytes, to: name)
      let text = problem(name)
      #expect(text?.hasPrefix("\(name): its name is that of a \(word)") == true, "\(text ?? "none")")
    }
    // A whole file may have any name.
    try scratch.write(whole, to: name)
    #expect(problem(name) == nil)
  }
}

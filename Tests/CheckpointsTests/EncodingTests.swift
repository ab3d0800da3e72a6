import CKernels
import Foundation
import Testing

@testable import Checkpoints

/// `encoded.gguf` holds what llama.cpp's own encoder makes of its tensor `values` (`make_encoded.py`).
@Suite struct EncodingTests {
  private let file: GGUFFile
  private let values: [Float]
  private let length: Int
  private let importance: [Float]

  init() throws {
    file = try GGUFFile(fixture("encoded.gguf"))
    let tensor = try file.tensor("values")
    (values, length) = (try tensor.floats(), tensor.rowLength)
    importance = try file.tensor("importance").floats()
  }

  private func encoded(_ values: [Float], _ type: ElementType, length: Int, _ importance: [Float]?) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: values.count / type.blockSize * type.bytesPerBlock)
    let isFinite = bytes.withUnsafeMutableBytes { bytes in
      values.withUnsafeBufferPointer {
        BlockEncoding.encode($0, length: length, as: type, importance: importance, into: bytes)
      }
    }
    return isFinite ? bytes : nil
  }

  @Test(arguments: BlockEncoding.types) func bytesAreThoseOfTheReference(type: ElementType) throws {
    for (suffix, importance) in [("", nil), (".weighted", importance)] {
      let expected = try file.tensor(type.name + suffix)
      #expect(expected.type == type)
      let found = encoded(values, type, length: length, importance)
      #expect(found.map { $0 == Array(expected.bytes) } == true, "\(type.name)\(suffix)")
    }
  }

  @Test(arguments: [NAS_PORTABLE, NAS_AVX2, NAS_AVX512]) func everySetOfInstructionsGivesTheSame(
    set: nas_instructions
  ) throws {
    guard let kernels = nas_kernels_with(set)?.pointee else { return }
    let kinds: [(ElementType, nas_block_type)] = [
      (.q40, NAS_Q4_0), (.q51, NAS_Q5_1), (.q80, NAS_Q8_0), (.q4K, NAS_Q4_K), (.q5K, NAS_Q5_K), (.q6K, NAS_Q6_K),
    ]
    for (type, kind) in kinds {
      var row = [UInt8](repeating: 0, count: length / type.blockSize * type.bytesPerBlock)
      let isFinite = values.withUnsafeBufferPointer { values in
        kernels.encode_row(kind, values.baseAddress!, importance, length, &row)
      }
      let expected = Array(try file.tensor(type.name + ".weighted").bytes.prefix(row.count))
      #expect(isFinite && row == expected, "\(type.name)")
    }
  }

  /// A rounding is about half a step away at most, where the step is the span of a block over its levels. In types whose
  /// levels reach further on one side the other end loses a whole step. Scales and minima of six bits are off by up to half
  /// a 63rd, and fits trade the largest error for the sum of squares, which together adds 2 % of the span.
  @Test(arguments: BlockEncoding.types) func errorsAreSmall(type: ElementType) throws {
    let limits: [ElementType: Double] = [
      .q80: 0.006, .q6K: 0.035, .q51: 0.05, .q50: 0.09, .q41: 0.1, .q40: 0.18, .q5K: 0.08, .q4K: 0.14,
    ]
    // Waves between about -1.3 and 1.3, so that every block has about the same span.
    let values: [Float] = (0..<4 * 512).map { place in
      let angle = Double(place)
      return Float(sin(0.7 * angle) + 0.3 * sin(2.9 * angle + 1))
    }
    let bytes = try #require(encoded(values, type, length: 512, nil))
    var decoded = [Float](repeating: .nan, count: values.count)
    bytes.withUnsafeBytes { bytes in
      decoded.withUnsafeMutableBufferPointer { BlockEncoding.decode(bytes, as: type, into: $0) }
    }
    let differences = zip(values, decoded).map { ($0 - $1).magnitude }
    let largest = Double(differences.max() ?? .nan)
    #expect(largest <= limits[type] ?? 0 && largest > 0, "\(type.name): \(largest)")
  }

  /// What counts more is rounded better.
  @Test(arguments: [ElementType.q40, .q41, .q50, .q51, .q4K, .q5K, .q6K])
  func importanceMovesErrorsElsewhere(type: ElementType) throws {
    let row = Array(values[..<length])
    let importance = (0..<length).map { Float($0 % 4 == 0 ? 100 : 0.01) }
    func error(_ importance: [Float]?) throws -> Double {
      let bytes = try #require(encoded(row, type, length: length, importance))
      var decoded = [Float](repeating: .nan, count: length)
      bytes.withUnsafeBytes { bytes in
        decoded.withUnsafeMutableBufferPointer { BlockEncoding.decode(bytes, as: type, into: $0) }
      }
      return stride(from: 0, to: length, by: 4).reduce(0) { $0 + pow(Double(row[$1] - decoded[$1]), 2) }
    }
    let (weighted, plain) = (try error(importance), try error(nil))
    #expect(weighted < 0.95 * plain, "\(type.name)")
  }

  @Test func scalesThatDoNotFitAreTold() throws {
    var row = [Float](repeating: 1, count: 64)
    row[37] = -3e7
    for type in [ElementType.q80, .q40, .q51] { #expect(encoded(row, type, length: 64, nil) == nil) }
    let scratch = try Scratch()
    let plan = TensorPlan(name: "w", type: .q80, shape: [3, 64])
    let text = message(in: scratch) {
      try GGUFWriter.write(metadata: [], tensors: [plan], to: scratch.path("f")) { _, write in
        try [Float](repeating: 0, count: 64).withUnsafeBufferPointer { try write($0) }
        try row.withUnsafeBufferPointer { try write($0) }
        try row.withUnsafeBufferPointer { try write($0) }
      }
    }
    #expect(text == CheckpointError.overflow(tensor: "w", index: 101, value: -3e7, type: .q80).description)
    #expect(try scratch.contents() == [])
  }

  /// Rows arrive in pieces of any size, also such that end within a row.
  @Test func filesHoldBlocks() throws {
    let scratch = try Scratch()
    let plans = [
      TensorPlan(name: "a", type: .q4K, shape: [2, 2, length]), TensorPlan(name: "b", type: .f16, shape: [3]),
      TensorPlan(name: "c", type: .q50, shape: [4, length]), TensorPlan(name: "d", type: .q6K, shape: [0, 256]),
    ]
    try GGUFWriter.write(metadata: [], tensors: plans, to: scratch.path("f")) { plan, write in
      let values = plan.type == .f16 ? [1, 2, 3] : plan.shape[0] == 0 ? [] : values
      for start in stride(from: 0, to: values.count, by: 700) {
        try Array(values[start..<min(start + 700, values.count)]).withUnsafeBufferPointer { try write($0) }
      }
    }
    let written = try GGUFFile(scratch.path("f"))
    #expect(try Array(written.tensor("a").bytes) == Array(file.tensor("Q4_K").bytes))
    #expect(try written.tensor("a").shape == [2, 2, length])
    #expect(try written.tensor("b").floats() == [1, 2, 3])
    #expect(try Array(written.tensor("c").bytes) == Array(file.tensor("Q5_0").bytes))
  }

  @Test func plansThatNoBlocksFit() throws {
    let scratch = try Scratch()
    func refusal(_ type: ElementType, _ shape: [Int]) -> String? {
      message(in: scratch) {
        try GGUFWriter.write(
          metadata: [], tensors: [TensorPlan(name: "w", type: type, shape: shape)], to: scratch.path("f")
        ) { _, _ in }
      }
    }
    #expect(
      refusal(.q4K, [2, 576])
        == "cannot write f: tensor 'w' has rows of 576 values, no whole number of blocks of 256 (Q4_K)")
    #expect(
      refusal(.iq4NL, [32])
        == "cannot write f: tensor 'w' is planned as IQ4_NL; only F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, "
        + "Q5_K and Q6_K can be written")
  }
}

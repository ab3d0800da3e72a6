import CKernels
import Foundation
import Testing

@testable import Checkpoints

@Suite struct DecodingTests {
  /// Every tensor of the GGUF fixtures against the reference's dequantisation, bit for bit.
  @Test func everyTypeIsDecodedAsTheReferenceDoes() throws {
    var types: Set<ElementType> = []
    for file in ["quantised", "tables"] {
      let stored = try GGUFFile(fixture("\(file).gguf"))
      let expected = try SafetensorsFile(fixture("\(file).safetensors"))
      #expect(Set(stored.tensorNames) == Set(expected.tensorNames))
      for name in stored.tensorNames {
        let (tensor, reference) = (try stored.tensor(name), try expected.tensor(name))
        types.insert(tensor.type)
        #expect(tensor.shape == reference.shape, "\(name)")
        #expect(try tensor.floats().map(\.bitPattern) == reference.floats().map(\.bitPattern), "\(name)")
      }
    }
    #expect(types.isSuperset(of: ElementType.allCases.filter(\.isQuantised)))
    #expect(types.isSuperset(of: [.f64, .f32, .f16, .bf16, .i8, .i64]))
  }

  @Test(arguments: ["random.Q4_1", "random.Q6_K", "plain.F16", "plain.F32"])
  func rowsAreDecodedAlone(name: String) throws {
    let tensor = try GGUFFile(fixture("quantised.gguf")).tensor(name)
    let all = try tensor.floats()
    let length = tensor.rowLength
    #expect(tensor.rowCount * length == tensor.count)
    var buffer = [Float](repeating: -7, count: 2 * length + 1)
    try buffer.withUnsafeMutableBufferPointer { try tensor.widen(rows: 1..<3, into: $0) }
    #expect(Array(buffer.dropLast()) == Array(all[length..<3 * length]))
    #expect(buffer.last == -7)
  }

  @Test func rowsAndBuffersThatDoNotFitAreRefused() throws {
    let tensor = try SafetensorsFile(fixture("single/model.safetensors")).tensor("layer.0.weight")
    var buffer = [Float](repeating: 0, count: 5)
    buffer.withUnsafeMutableBufferPointer { buffer in
      let tooMany = message { try tensor.widen(rows: 3..<5, into: buffer) }
      #expect(tooMany?.hasSuffix("tensor 'layer.0.weight': rows 3..<5 were asked for, but it has 4") == true)
      let tooLong = message { try tensor.widen(rows: 0..<2, into: buffer) }
      #expect(tooLong?.hasSuffix("tensor 'layer.0.weight': 6 values do not fit a buffer of 5") == true)
    }
  }

  /// All 65536 patterns against the processor's or the runtime's own conversion.
  @Test func everyHalfPattern() {
    let wrong = (UInt16.min...UInt16.max).filter { bits in
      let (ours, theirs) = (nas_half_value(bits), Float(Float16(bitPattern: bits)))
      return ours.isNaN ? !theirs.isNaN : ours.bitPattern != theirs.bitPattern
    }
    #expect(wrong == [])
  }

  @Test func integersAndBooleans() throws {
    let scratch = try Scratch()
    let header = """
      {"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[],"data_offsets":[2,3]},\
      "c":{"dtype":"I16","shape":[1,2],"data_offsets":[3,7]},"d":{"dtype":"U64","shape":[1],"data_offsets":[7,15]},\
      "e":{"dtype":"F32","shape":[1],"data_offsets":[15,19]},"f":{"dtype":"I32","shape":[2,0],"data_offsets":[19,19]}}
      """
    let values: [UInt8] =
      [0, 1, 200] + littleEndian(Int16(-2)) + littleEndian(Int16(300))
      + littleEndian(UInt64(1) << 40) + littleEndian(Float(1.5).bitPattern)
    let bytes = littleEndian(UInt64(header.utf8.count)) + Array(header.utf8) + values
    let file = try SafetensorsFile(scratch.write(bytes, to: "f.safetensors"))
    #expect(file.tensorNames == ["a", "b", "c", "d", "e", "f"])
    #expect(try file.tensor("a").floats() == [0, 1])
    #expect(try file.tensor("b").floats() == [200])
    #expect(try file.tensor("b").shape == [])
    #expect(try file.tensor("c").floats() == [-2, 300])
    #expect(try file.tensor("d").floats() == [1_099_511_627_776])
    #expect(try file.tensor("f").floats() == [])
    // At an odd address: readable, but not as a view.
    #expect(try file.tensor("e").floats() == [1.5])
    #expect(try file.tensor("e").directFloats == nil)
  }

  @Test func alignedFloatsAreSeenWithoutACopy() throws {
    let file = try SafetensorsFile(fixture("single/model.safetensors"))
    let tensor = try file.tensor("layer.2.weight")
    let view = try #require(tensor.directFloats)
    #expect(try Array(view) == tensor.floats())
    #expect(try file.tensor("norm").directFloats == nil)
    withExtendedLifetime(file) {}
  }

  /// A tensor keeps its file mapped.
  @Test func aTensorOutlivesItsFile() throws {
    func load() throws -> Tensor { try SafetensorsFile(fixture("single/model.safetensors")).tensor("norm") }
    #expect(try load().floats() == [1, 1, 1, 1, 1])
  }
}

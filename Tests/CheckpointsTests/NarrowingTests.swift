import CKernels
import Foundation
import Testing

@testable import Checkpoints

@Suite struct NarrowingTests {
  private typealias Narrow = (UnsafeBufferPointer<Float>, UnsafeMutableBufferPointer<UInt16>) -> Int?

  private func narrowed(_ values: [Float], _ narrow: Narrow) -> (bits: [UInt16], firstTooLarge: Int?) {
    var result = [UInt16](repeating: 0, count: values.count)
    let index = values.withUnsafeBufferPointer { values in
      result.withUnsafeMutableBufferPointer { narrow(values, $0) }
    }
    return (result, index)
  }

  @Test func roundsAsTheReferenceDoes() throws {
    let file = try SafetensorsFile(fixture("narrowing.safetensors"))
    let values = try file.tensor("values").floats()
    for (name, narrow) in [("f16", Narrowing.f16), ("bf16", Narrowing.bf16)] as [(String, Narrow)] {
      let expected = try file.tensor(name).floats().map { UInt16($0) }
      let ours = narrowed(values, narrow).bits
      let wrong = values.indices.filter { i in
        guard values[i].isNaN else { return ours[i] != expected[i] }
        let widened = name == "f16" ? nas_half_value(ours[i]) : Float(bitPattern: UInt32(ours[i]) << 16)
        return !widened.isNaN
      }
      #expect(wrong.map { "\(name) of \(values[$0])" } == [])
    }
  }

  @Test func everyHalfPatternSurvives() {
    let patterns = (UInt16.min...UInt16.max).filter { !Float16(bitPattern: $0).isNaN }
    #expect(narrowed(patterns.map { nas_half_value($0) }, Narrowing.f16).bits == patterns)
  }

  @Test func theFirstOverflowIsReported() {
    var values = [Float](repeating: 1, count: 10_000)
    values[100] = .infinity
    values[200] = .nan
    #expect(narrowed(values, Narrowing.f16).firstTooLarge == nil)
    values[9_001] = -65519.99
    #expect(narrowed(values, Narrowing.f16).firstTooLarge == nil)
    values[9_000] = -65520
    values[9_500] = 1e30
    #expect(narrowed(values, Narrowing.f16).firstTooLarge == 9_000)
    #expect(narrowed(values, Narrowing.bf16).firstTooLarge == nil)
    values[9_999] = .greatestFiniteMagnitude
    #expect(narrowed(values, Narrowing.bf16).firstTooLarge == 9_999)
  }

  @Test(arguments: [0, 1, 4095, 4096, 9_999])
  func theFirstNonFiniteValueIsFound(place: Int) {
    var values = [Float](repeating: .greatestFiniteMagnitude, count: 10_000)
    #expect(values.withUnsafeBufferPointer { firstNonFinite(in: $0) } == nil)
    for bad in [Float.nan, .infinity, -.infinity, Float.signalingNaN] {
      values[place] = bad
      values[9_999] = .nan
      #expect(values.withUnsafeBufferPointer { firstNonFinite(in: $0) } == place)
    }
    #expect(firstNonFinite(in: UnsafeBufferPointer(start: nil, count: 0)) == nil)
  }
}

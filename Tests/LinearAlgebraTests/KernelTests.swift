import Foundation
import Testing

@testable import LinearAlgebra

/// Element-wise kernels beside double precision, at counts around the vector width. Every buffer ends in sentinels that
/// must survive.
@Suite struct KernelTests {
  private static let sentinels = 20

  /// Runs `body` on a copy of `values` followed by sentinels, and returns the values afterwards.
  private func changed(_ values: [Float], _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    var buffer = values + Array(repeating: -12345, count: Self.sentinels)
    buffer.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { body(base) }
    }
    #expect(buffer.suffix(Self.sentinels).allSatisfy { $0 == -12345 }, "written past the end")
    return Array(buffer.prefix(values.count))
  }

  private func expectClose(
    _ found: [Float], _ expected: [Double], relative: Double, absolute: Double = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    for (i, (x, y)) in zip(found, expected).enumerated() {
      #expect(
        abs(Double(x) - y) <= relative * abs(y) + absolute, "element \(i) of \(found.count)",
        sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: kernelCounts)
  func sumsAndScales(count: Int) {
    var numbers = Numbers(UInt64(count))
    let (x, y) = (numbers.floats(count, scale: 5), numbers.floats(count, scale: 5))
    #expect(changed(y) { Kernels.add(x, to: $0, count: count) } == zip(x, y).map { $0 + $1 })
    #expect(changed(x) { Kernels.scale($0, by: -0.3, count: count) } == x.map { $0 * -0.3 })
    #expect(changed(y) { Kernels.addMagnitudes(x, to: $0, count: count) } == zip(x, y).map { abs($0) + $1 })
    expectClose(
      changed(y) { Kernels.addScaled(x, 1.7, to: $0, count: count) },
      zip(x, y).map { Double(Float(1.7)) * Double($0) + Double($1) }, relative: 3e-7, absolute: 1e-6)
  }

  @Test(arguments: kernelCounts)
  func dotProduct(count: Int) {
    var numbers = Numbers(UInt64(count) + 50)
    let (x, y) = (numbers.floats(count), numbers.floats(count))
    let exact = zip(x, y).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    #expect(abs(Double(Kernels.dot(x, y, count: count)) - exact) <= 1e-6 * Double(max(1, count)).squareRoot())
  }

  @Test func magnitudesOfNegativeZeroAndInfinityAreRight() {
    let x = Array(repeating: Float(-0.0), count: 16) + [-Float.infinity, -0.0] as [Float]
    let sums = changed(Array(repeating: 0, count: 18)) { Kernels.addMagnitudes(x, to: $0, count: 18) }
    #expect(sums == Array(repeating: 0, count: 16) + [Float.infinity, 0])
  }

  @Test(arguments: kernelCounts.dropFirst())
  func rmsNorm(count: Int) {
    var numbers = Numbers(UInt64(count) + 100)
    for scale in [1e-4, 1, 1000] {
      let (x, gain) = (numbers.floats(count, scale: scale), numbers.floats(count, scale: 2))
      let epsilon: Float = 1e-5
      let mean = x.reduce(0) { $0 + Double($1) * Double($1) } / Double(count)
      let exact = zip(x, gain).map { Double($0) / (mean + Double(epsilon)).squareRoot() * Double($1) }
      let result = changed(Array(repeating: 0, count: count)) {
        Kernels.rmsNorm(x, gain: gain, epsilon: epsilon, into: $0, count: count)
      }
      expectClose(result, exact, relative: 1e-6)
      // In place, as the final norm runs.
      let inPlace = changed(x) { Kernels.rmsNorm($0, gain: gain, epsilon: epsilon, into: $0, count: count) }
      #expect(inPlace == result)
    }
  }

  @Test func rmsNormOfZerosIsZero() {
    let zeros = Array(repeating: Float(0), count: 33)
    let result = changed(zeros) {
      Kernels.rmsNorm(zeros, gain: zeros.map { _ in 3 }, epsilon: 1e-6, into: $0, count: 33)
    }
    #expect(result == zeros)
  }

  /// `exp(x)` of the kernels.
  private func exp(_ x: Float) -> Float { Kernels.sumExp([x], minus: 0, count: 1) }

  /// The exponential against the library's in double precision over its whole range.
  @Test func exponentialIsAccurate() {
    var worst = 0.0
    for step in 0...20_000 {
      let x = Float(-87 + 175 * Double(step) / 20_000)
      let exact = Foundation.exp(Double(x))
      worst = max(worst, abs(Double(exp(x)) - exact) / exact)
    }
    #expect(worst < 3e-7, "largest relative error \(worst)")
    #expect(exp(0) == 1)
  }

  @Test func exponentialSaturatesOutsideOfItsRange() {
    for x in [-87.5, -100, -1e30, -Float.infinity] as [Float] {
      #expect(exp(x) > 0 && exp(x) < 1.1 * Float(Foundation.exp(-87.0)))
    }
    for x in [88.5, 1000, 1e30, Float.infinity] as [Float] {
      #expect(exp(x).isFinite && exp(x) > 0.9 * Float(Foundation.exp(88.0)))
    }
  }

  /// One argument at a time through every lane and through the tail.
  @Test func exponentialIsTheSameInEveryLane() {
    var numbers = Numbers(9)
    let x = numbers.floats(17, scale: 20)
    let row = changed(x + [0]) { Kernels.softmax($0, count: 18) }
    let shares = x.map { Foundation.exp(Double($0) - Double(max(0, x.max() ?? 0))) }
    let sum = shares.reduce(0, +) + Foundation.exp(-Double(max(0, x.max() ?? 0)))
    expectClose(Array(row.prefix(17)), shares.map { $0 / sum }, relative: 2e-6, absolute: 1e-37)
  }

  @Test(arguments: kernelCounts)
  func gatedActivation(count: Int) {
    var numbers = Numbers(UInt64(count) + 150)
    let (gate, up) = (numbers.floats(count, scale: 12), numbers.floats(count, scale: 3))
    let exact = zip(gate, up).map { Double($0) / (1 + Foundation.exp(-Double($0))) * Double($1) }
    expectClose(changed(gate) { Kernels.siluMultiply($0, up, count: count) }, exact, relative: 1e-6, absolute: 1e-12)
  }

  /// `silu` tends to 0 and to the identity far out, without NaN.
  @Test func gatedActivationOfExtremes() {
    let gate: [Float] = [-1e30, -200, -88, 0, 88, 200, 1e30]
    for padding in [0, 9, 16] {
      let padded = gate + Array(repeating: 0, count: padding)
      let result = changed(padded) {
        Kernels.siluMultiply($0, padded.map { _ in 1 }, count: padded.count)
      }
      #expect(abs(result[1]) < 1e-30 && abs(result[2]) < 1e-30 && result[3] == 0)
      #expect(result[4] == 88 && result[5] == 200 && result[6] == 1e30)
      #expect(result.allSatisfy { $0.isFinite })
      // The exponential saturates near 1e38, so that not even the largest numbers survive.
      #expect(abs(result[0]) < 1e-7)
    }
  }

  @Test(arguments: kernelCounts.dropFirst())
  func softmax(count: Int) {
    var numbers = Numbers(UInt64(count) + 200)
    for (scale, shift) in [(1.0, 0.0), (30, 0), (5, 1e4), (5, -1e4)] {
      let x = numbers.floats(count, scale: scale).map { $0 + Float(shift) }
      let peak = Double(x.max() ?? 0)
      let shares = x.map { Foundation.exp(Double($0) - peak) }
      let sum = shares.reduce(0, +)
      let result = changed(x) { Kernels.softmax($0, count: count) }
      // The difference to the peak is rounded before its exponential is taken.
      let relative = 1e-6 + 2 * scale * Double(Float.ulpOfOne)
      expectClose(result, shares.map { $0 / sum }, relative: relative)
      let normaliser = Double(Kernels.logSumExp(x, count: count))
      #expect(abs(normaliser - peak - Foundation.log(sum)) <= 1e-6 + 1.2e-7 * abs(peak))
      var row = x
      let expectation = Kernels.softmaxExpectation(&row, count: count)
      let exact = zip(x, shares).reduce(0) { $0 + Double($1.0) * $1.1 / sum }
      #expect(abs(expectation - exact) <= 3e-6 * (1 + scale))
      expectClose(row, shares.map { $0 / sum }, relative: relative)
    }
  }

  @Test(arguments: [2, 16, 17, 40])
  func softmaxOfExtremes(count: Int) {
    for place in [0, count - 1] {
      for (rest, peak) in [(-Float.infinity, Float(0)), (-1e30, 1e30), (-1e30, -3), (0, 1e30)] {
        var x = Array(repeating: rest, count: count)
        x[place] = peak
        let result = changed(x) { Kernels.softmax($0, count: count) }
        #expect(result[place] == 1)
        #expect(result.enumerated().allSatisfy { $0.offset == place || $0.element < 1e-36 })
        #expect(Kernels.logSumExp(x, count: count) == peak)
        let entropyTerm = Kernels.softmaxExpectation(&x, count: count)
        #expect(x[place] == 1)
        // A factor that is not quite zero still counts: 1e-38 of -1e30.
        if rest.isFinite { #expect(abs(entropyTerm - Double(peak)) <= 1e-6 * max(1, abs(Double(peak)))) }
      }
    }
    let equal = changed(Array(repeating: 1e30, count: count)) { Kernels.softmax($0, count: count) }
    expectClose(equal, Array(repeating: 1 / Double(count), count: count), relative: 2e-7)
    let large = Array(repeating: Float(1000), count: count)
    #expect(abs(Kernels.logSumExp(large, count: count) - Float(1000 + Foundation.log(Double(count)))) < 1e-4)
  }

  @Test func maximumAndItsPlace() {
    for count in kernelCounts.dropFirst() {
      for place in Set([0, count / 2, count - 1]) {
        var x = (0..<count).map { -Float($0 + 2) }
        x[place] = -1
        #expect(Kernels.maximum(x, count: count) == -1)
        #expect(Kernels.argmax(x, count: count) == place)
      }
    }
    #expect(Kernels.maximum([], count: 0) == -.infinity)
    #expect(Kernels.argmax(Array(repeating: 3, count: 40), count: 40) == 0)
    #expect(Kernels.argmax([1, 5, 2, 5], count: 4) == 1)
    #expect(Kernels.argmax([], count: 0) == 0)
  }

  @Test(arguments: [1, 4, 15, 16, 17, 32, 50])
  func rotatesPairs(half: Int) {
    var numbers = Numbers(UInt64(half) + 250)
    let x = numbers.floats(2 * half, scale: 3)
    let angles = (0..<half).map { _ in numbers.next() * 10 }
    let (cosines, sines) = (angles.map { Float(cos($0)) }, angles.map { Float(sin($0)) })
    let result = changed(x) { Kernels.rotate($0, cosines: cosines, sines: sines, half: half) }
    let first = (0..<half).map { Double(x[$0]) * cos(angles[$0]) - Double(x[$0 + half]) * sin(angles[$0]) }
    let second = (0..<half).map { Double(x[$0]) * sin(angles[$0]) + Double(x[$0 + half]) * cos(angles[$0]) }
    expectClose(result, first + second, relative: 0, absolute: 1e-6)
  }
}

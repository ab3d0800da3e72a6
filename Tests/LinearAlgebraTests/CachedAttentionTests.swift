import CKernels
import Foundation
import Testing

@testable import LinearAlgebra

/// Attention of one position to cached ones, by each kernel and through the cache, against the formula in double
/// precision.
@Suite struct CachedAttentionTests {
  /// `softmax(q·Kᵀ/√D)·V` for queries, keys and values of `[_, D]`; scores capped, if `cap` is not 0, and `sinks`
  /// are more of them, if there are any.
  private func attention(
    _ queries: Matrix<Float>, _ keys: Matrix<Float>, _ values: Matrix<Float>, cap: Double = 0,
    sinks: [Float]? = nil
  ) -> [Double] {
    let dimension = queries.columns
    return (0..<queries.rows).flatMap { r in
      let scores = (0..<keys.rows).map { j in
        (0..<dimension).reduce(0.0) { $0 + Double(queries[r, $1]) * Double(keys[j, $1]) }
          / Double(dimension).squareRoot()
      }.map { cap == 0 ? $0 : cap * tanh($0 / cap) }
      let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
      let sum = weights.reduce(sinks.map { exp(Double($0[r]) - (scores.max() ?? 0)) } ?? 0, +)
      return (0..<dimension).map { i in
        (0..<keys.rows).reduce(0.0) { $0 + weights[$1] * Double(values[$1, i]) } / sum
      }
    }
  }

  private func rounded(_ x: Matrix<Float>) -> Matrix<Float> {
    let result = x.copy()
    Kernels.roundToBfloat16(result.pointer, count: result.count)
    return result
  }

  private func agree(_ found: [Float], _ expected: [Double]) -> Bool {
    found.count == expected.count && zip(found, expected).allSatisfy { abs(Double($0) - $1) <= 2e-6 * (1 + abs($1)) }
  }

  private typealias Remember<Element> =
    (UnsafePointer<Float>, UnsafePointer<Float>, Int, UnsafeMutablePointer<Element>, UnsafeMutablePointer<Element>, Int)
    -> Void
  private typealias Attend<Element> =
    (
      UnsafePointer<Float>, Int, Int, UnsafePointer<Element>, UnsafePointer<Element>, Int, Int, Float, Float,
      UnsafePointer<Float>?, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>
    ) -> Void

  /// The result, followed by what stands behind it.
  private func run<Element>(
    _ remember: Remember<Element>, _ attend: Attend<Element>, _ unused: Element, _ queries: Matrix<Float>,
    _ keys: Matrix<Float>, _ values: Matrix<Float>, seen: Range<Int>, cap: Float = 0,
    sinks: [Float]? = nil
  ) -> [Float] {
    let (dimension, positions) = (queries.columns, keys.rows)
    let room = (positions + 15) / 16 * 16 * dimension
    // Positions that were never kept must not matter.
    var kept = (keys: Array(repeating: unused, count: room), values: Array(repeating: unused, count: room))
    for j in 0..<positions { remember(keys.row(j), values.row(j), dimension, &kept.keys, &kept.values, j) }
    var scratch = Array(repeating: Float.nan, count: KeyValueCache.scratchCount(capacity: positions))
    var context = Array(repeating: Float(7), count: queries.count + 20)
    func call(_ sinks: UnsafePointer<Float>?) {
      attend(
        queries.pointer, queries.rows, dimension, kept.keys, kept.values, seen.lowerBound, seen.upperBound,
        1 / Float(dimension).squareRoot(), cap, sinks, &scratch, &context)
    }
    if let sinks { sinks.withUnsafeBufferPointer { call($0.baseAddress) } } else { call(nil) }
    return context
  }

  @Test(arguments: [NAS_PORTABLE, NAS_AVX2, NAS_AVX512])
  func everySetOfInstructions(_ set: nas_instructions) throws {
    guard let kernels = nas_kernels_with(set)?.pointee else { return }
    let portable = try #require(nas_kernels_with(NAS_PORTABLE)).pointee
    var numbers = Numbers(41)
    for dimension in [1, 8, 16, 20, 64, 80, 128, 144] {
      for (rows, positions, first) in [(1, 1, 0), (2, 15, 3), (3, 16, 0), (4, 33, 17), (5, 40, 31), (9, 70, 16)] {
        let queries: Matrix<Float> = numbers.matrix(rows, dimension)
        let keys: Matrix<Float> = numbers.matrix(positions, dimension)
        let values: Matrix<Float> = numbers.matrix(positions, dimension)
        func single(_ kernels: nas_kernels) -> [Float] {
          run(kernels.remember_float, kernels.attend_float, .nan, queries, keys, values, seen: first..<positions)
        }
        func bfloat16(_ kernels: nas_kernels) -> [Float] {
          run(
            kernels.remember_bfloat16, kernels.attend_bfloat16, 0x7fc0, queries, keys, values, seen: first..<positions)
        }
        let label = "\(dimension), \(rows) queries, \(first)..<\(positions)"
        let kept = (keys.rows(first..<positions), values.rows(first..<positions))
        let (one, two) = (single(kernels), bfloat16(kernels))
        #expect(agree(one.dropLast(20), attention(queries, kept.0, kept.1)), "\(label)")
        #expect(agree(two.dropLast(20), attention(queries, rounded(kept.0), rounded(kept.1))), "bfloat16, \(label)")
        #expect((one.suffix(20) + two.suffix(20)).allSatisfy { $0 == 7 }, "\(label)")
        let capped = run(
          kernels.remember_float, kernels.attend_float, .nan, queries, keys, values, seen: first..<positions, cap: 0.5)
        #expect(agree(capped.dropLast(20), attention(queries, kept.0, kept.1, cap: 0.5)), "capped, \(label)")
        let sinks = (0..<rows).map { Float($0 % 5) - 1.5 }
        let sunk = run(
          kernels.remember_float, kernels.attend_float, .nan, queries, keys, values, seen: first..<positions,
          sinks: sinks)
        #expect(agree(sunk.dropLast(20), attention(queries, kept.0, kept.1, sinks: sinks)), "sinks, \(label)")
        #expect(one == single(portable) && two == bfloat16(portable), "\(label)")
      }
    }
  }

  @Test func infinitiesAndNaNsKeepTheirKindInBfloat16() throws {
    let kernels = Kernels.best
    let key: [Float] = [.nan, .infinity, -.infinity, -0.0, 0x1.fffffep127, 0x1.01p0, 0x1.03p0]
    var (keys, values) = (Array(repeating: UInt16(0), count: 7 * 16), Array(repeating: UInt16(0), count: 7))
    kernels.remember_bfloat16(key, key, 7, &keys, &values, 0)
    let found = values.map { Float(bitPattern: UInt32($0) << 16) }
    #expect(found[0].isNaN && found[1...2] == [.infinity, -.infinity] && found[3].sign == .minus)
    // To the nearest, ties to even; what is beyond the largest is infinite.
    #expect(found[4...] == [.infinity, 1, 0x1.04p0])
    #expect(stride(from: 0, to: keys.count, by: 16).map { keys[$0] } == values)
  }

  /// Sequences and groups lie apart, and a window that slides sees what it should.
  @Test(arguments: Precision.allCases) func cacheKeepsSequencesAndGroupsApart(precision: Precision) {
    let (sequences, groups, rows, dimension, positions) = (3, 2, 3, 16, 21)
    let cache = KeyValueCache(
      sequences: sequences, capacity: positions, groups: groups, dimension: dimension, precision: precision)
    var numbers = Numbers(43)
    func kept(_ x: Matrix<Float>) -> Matrix<Float> { precision == .single ? x : rounded(x) }
    let keys = (0..<sequences).map { _ in numbers.matrix(positions, groups * dimension, as: Float.self) }
    let values = (0..<sequences).map { _ in numbers.matrix(positions, groups * dimension, as: Float.self) }
    let sinks: Matrix<Float> = numbers.matrix(1, groups * rows)
    let scratch = Matrix<Float>(rows: 1, columns: KeyValueCache.scratchCount(capacity: positions))
    for position in 0..<positions {
      for sequence in 0..<sequences {
        cache.remember(
          key: keys[sequence].row(position), value: values[sequence].row(position), sequence: sequence,
          position: position)
      }
      let seen = max(0, position - 6)..<position + 1
      for sequence in 0..<sequences {
        let query = numbers.matrix(groups * rows, dimension, as: Float.self)
        let context = Matrix<Float>(rows: groups * rows, columns: dimension)
        cache.attend(
          query.pointer, rows: rows, sequence: sequence, seen: seen, .init(scale: 0.25, sinks: sinks.pointer),
          scratch: scratch.pointer, into: context.pointer)
        for group in 0..<groups {
          let (mine, columns) = (group * rows..<(group + 1) * rows, group * dimension..<(group + 1) * dimension)
          let expected = attention(
            query.rows(mine), kept(keys[sequence].rows(seen).columns(columns)),
            kept(values[sequence].rows(seen).columns(columns)), sinks: Array(sinks.elements[mine]))
          #expect(agree(context.rows(mine).elements, expected), "sequence \(sequence), position \(position)")
        }
      }
    }
  }
}

import CKernels

/// Keys and values of the positions that several sequences have seen, and the attention of new positions to them.
///
/// Keys and values of one sequence and one group of heads lie together: first the keys, in panels of 16 positions, then
/// the values, position by position. Different sequences may be used at once.
public final class KeyValueCache: Sendable {
  /// How scores of queries and keys are made.
  public struct Scores {
    /// Factor `s` of the products.
    let scale: Float
    /// A number that no score exceeds (`Kernels.softCap`); 0 for none.
    let cap: Float
    /// One more score of each query head, without a value; `nil` for none.
    let sinks: UnsafePointer<Float>?

    public init(scale: Float, cap: Float = 0, sinks: UnsafePointer<Float>? = nil) {
      (self.scale, self.cap, self.sinks) = (scale, cap, sinks)
    }
  }

  private enum Memory: Sendable {
    case single(Storage<Float>)
    case bfloat16(Storage<UInt16>)
  }

  private let memory: Memory
  private let capacity: Int
  private let groups: Int
  private let dimension: Int
  private static let panel = 16

  /// - Parameters:
  ///   - capacity: positions of a sequence.
  ///   - groups: heads of keys and values.
  ///   - dimension: size of a head.
  ///   - precision: type in which keys and values are kept.
  public init(sequences: Int, capacity: Int, groups: Int, dimension: Int, precision: Precision) {
    self.capacity = Self.wholePanels(capacity)
    (self.groups, self.dimension) = (groups, dimension)
    let count = 2 * sequences * groups * self.capacity * dimension
    switch precision {
    case .single: memory = .single(Storage(count: count))
    case .bfloat16: memory = .bfloat16(Storage(count: count))
    }
  }

  private static func wholePanels(_ capacity: Int) -> Int { (capacity + panel - 1) / panel * panel }

  /// Number of values for which `attend` needs room.
  public static func scratchCount(capacity: Int) -> Int { 4 * (wholePanels(capacity) + panel) }

  /// The place where keys and values of a group begin.
  private func places(_ sequence: Int, _ group: Int) -> (keys: Int, values: Int) {
    let keys = 2 * (sequence * groups + group) * capacity * dimension
    return (keys, keys + capacity * dimension)
  }

  /// Keeps a position's key and value, `[groups·D]` each.
  public func remember(key: UnsafePointer<Float>, value: UnsafePointer<Float>, sequence: Int, position: Int) {
    for group in 0..<groups {
      let place = places(sequence, group)
      let (key, value) = (key + group * dimension, value + group * dimension)
      switch memory {
      case .single(let memory):
        Kernels.best.remember_float(
          key, value, dimension, memory.pointer + place.keys, memory.pointer + place.values, position)
      case .bfloat16(let memory):
        Kernels.best.remember_bfloat16(
          key, value, dimension, memory.pointer + place.keys, memory.pointer + place.values, position)
      }
    }
  }

  /// Gives a sequence the keys and values of another one's first positions.
  public func copy(_ positions: Int, from source: Int, to target: Int) {
    func copy<Scalar>(_ memory: UnsafeMutablePointer<Scalar>) {
      for group in 0..<groups {
        let (from, to) = (places(source, group), places(target, group))
        (memory + to.keys).update(from: memory + from.keys, count: Self.wholePanels(positions) * dimension)
        (memory + to.values).update(from: memory + from.values, count: positions * dimension)
      }
    }
    switch memory {
    case .single(let memory): copy(memory.pointer)
    case .bfloat16(let memory): copy(memory.pointer)
    }
  }

  /// `softmax(s·Q·Kᵀ)·V` over kept positions, for the queries of one position: `[groups·rows·D]`, as is the result.
  ///
  /// - Parameters:
  ///   - rows: queries of a group.
  ///   - seen: number of positions, one or more.
  ///   - scratch: memory for `scratchCount` values.
  public func attend(
    _ query: UnsafePointer<Float>, rows: Int, sequence: Int, seen: Range<Int>, _ scores: Scores,
    scratch: UnsafeMutablePointer<Float>, into context: UnsafeMutablePointer<Float>
  ) {
    let (first, end) = (seen.lowerBound, seen.upperBound)
    for group in 0..<groups {
      let place = places(sequence, group)
      let (query, context) = (query + group * rows * dimension, context + group * rows * dimension)
      let sinks = scores.sinks.map { $0 + group * rows }
      switch memory {
      case .single(let memory):
        Kernels.best.attend_float(
          query, rows, dimension, memory.pointer + place.keys, memory.pointer + place.values, first, end,
          scores.scale, scores.cap, sinks, scratch, context)
      case .bfloat16(let memory):
        Kernels.best.attend_bfloat16(
          query, rows, dimension, memory.pointer + place.keys, memory.pointer + place.values, first, end,
          scores.scale, scores.cap, sinks, scratch, context)
      }
    }
  }
}

import CKernels

/// In which precision the products of a forward pass take their factors. Sums are in single precision either way.
public enum Precision: String, Codable, Sendable, CaseIterable {
  case single = "f32"
  /// The upper half of a single: eight bits of exponent and seven of fraction.
  case bfloat16 = "bf16"

  /// Whether the processor multiplies in this precision itself.
  public var isSupported: Bool { self == .single || nas_bfloat16_is_supported() }
}

/// Memory for a packed operand, used again for operands that are not larger.
public final class Bfloat16Buffer: @unchecked Sendable {
  fileprivate let pointer: UnsafeMutablePointer<UInt16>
  private let capacity: Int

  private init(capacity: Int) {
    self.capacity = capacity
    let raw = UnsafeMutableRawPointer.allocate(byteCount: max(capacity, 1) * MemoryLayout<UInt16>.stride, alignment: 64)
    pointer = raw.bindMemory(to: UInt16.self, capacity: max(capacity, 1))
  }

  /// Memory for left operands of at most as many rows and columns.
  public convenience init(rows: Int, columns: Int) { self.init(capacity: Bfloat16Rows.size(rows, columns)) }

  /// Memory for right operands of at most as many outputs and inputs.
  public convenience init(outputs: Int, inputs: Int) { self.init(capacity: Bfloat16Weight.size(outputs, inputs)) }

  fileprivate func check(_ size: Int) { precondition(size <= capacity, "an operand is larger than its memory") }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}

/// The left operand of products, shape `[rows, columns]`: activations, rounded to bfloat16.
public struct Bfloat16Rows: Sendable {
  public let rows: Int
  public let columns: Int
  fileprivate let buffer: Bfloat16Buffer
  fileprivate var pairs: Int { (columns + 1) / 2 }

  fileprivate static func size(_ rows: Int, _ columns: Int) -> Int {
    let panel = Int(NAS_PANEL_ROWS)
    return (rows + panel - 1) / panel * panel * ((columns + 1) / 2 * 2)
  }

  /// Rounds `scale·x`; what was in the memory before is gone.
  public init(_ x: Matrix<Float>, scale: Float = 1, in buffer: Bfloat16Buffer) {
    buffer.check(Self.size(x.rows, x.columns))
    (rows, columns, self.buffer) = (x.rows, x.columns, buffer)
    nas_bfloat16_pack_left(x.pointer, x.rows, x.columns, x.stride, scale, buffer.pointer)
  }
}

/// The right operand of products, shape `[inputs, outputs]`: the transpose of a weight, rounded to bfloat16.
public struct Bfloat16Weight: Sendable {
  public let outputs: Int
  public let inputs: Int
  fileprivate let buffer: Bfloat16Buffer
  fileprivate var pairs: Int { (inputs + 1) / 2 }

  fileprivate static func size(_ outputs: Int, _ inputs: Int) -> Int {
    let panel = Int(NAS_PANEL_COLUMNS)
    return (outputs + panel - 1) / panel * panel * ((inputs + 1) / 2 * 2)
  }

  /// - Parameters:
  ///   - weight: shape `[outputs, inputs]`.
  ///   - buffer: memory to use; `nil` for memory of its own.
  public init(_ weight: Matrix<Float>, in buffer: Bfloat16Buffer? = nil) {
    self.init(outputs: weight.rows, inputs: weight.columns, buffer)
    nas_bfloat16_pack_right_transposed(weight.pointer, outputs, inputs, weight.stride, self.buffer.pointer)
  }

  /// - Parameter values: shape `[inputs, outputs]`.
  public init(transposeOf values: Matrix<Float>, in buffer: Bfloat16Buffer? = nil) {
    self.init(outputs: values.columns, inputs: values.rows, buffer)
    nas_bfloat16_pack_right(values.pointer, inputs, outputs, values.stride, self.buffer.pointer)
  }

  private init(outputs: Int, inputs: Int, _ given: Bfloat16Buffer?) {
    (self.outputs, self.inputs) = (outputs, inputs)
    buffer = given ?? Bfloat16Buffer(outputs: outputs, inputs: inputs)
    buffer.check(Self.size(outputs, inputs))
  }

  /// Bytes that the packed weight takes.
  public var byteCount: Int { Self.size(outputs, inputs) * MemoryLayout<UInt16>.stride }
}

/// `C = X·Wᵀ`, or `C += X·Wᵀ`.
///
/// An element's value does not depend on the other rows and outputs of the product.
///
/// - Parameters:
///   - outputs: those of the weight's to compute, beginning at a multiple of 32; `nil` for all.
///   - inputs: those of the weight's that the columns of `X` stand for, beginning at an even one; `nil` for all.
///   - c: shape `[rows, outputs]`.
public func multiply(
  _ x: Bfloat16Rows, _ weight: Bfloat16Weight, outputs: Range<Int>? = nil, inputs: Range<Int>? = nil,
  accumulating: Bool = false, into c: Matrix<Float>
) {
  multiply(
    x, weight, outputs: outputs ?? 0..<weight.outputs, inputs: inputs ?? 0..<weight.inputs, accumulating: accumulating,
    into: c, with: nas_bfloat16_multiply)
}

/// - Parameter product: the C function that computes it.
func multiply(
  _ x: Bfloat16Rows, _ weight: Bfloat16Weight, outputs: Range<Int>, inputs: Range<Int>, accumulating: Bool,
  into c: Matrix<Float>, with product: Bfloat16Product
) {
  let panel = Int(NAS_PANEL_COLUMNS)
  precondition(
    inputs.count == x.columns && c.rows == x.rows && c.columns == outputs.count, "shapes of a product disagree")
  precondition(
    outputs.lowerBound % panel == 0 && inputs.lowerBound % 2 == 0 && inputs.upperBound <= weight.inputs
      && outputs.upperBound <= weight.outputs, "a part of a packed weight begins at a panel and at a pair")
  if c.rows == 0 || c.columns == 0 { return }
  if x.columns == 0 {
    if !accumulating { c.fill(0) }
    return
  }
  let start = (outputs.lowerBound * weight.pairs + inputs.lowerBound / 2 * panel) * 2
  product(
    c.rows, c.columns, x.pairs, x.buffer.pointer, weight.buffer.pointer + start, weight.pairs, c.pointer, c.stride,
    accumulating)
}

typealias Bfloat16Product =
  @convention(c) (
    Int, Int, Int, UnsafePointer<UInt16>?, UnsafePointer<UInt16>?, Int, UnsafeMutablePointer<Float>?, Int, Bool
  ) -> Void

extension Kernels {
  /// Rounds to bfloat16, to the nearest, ties to even.
  public static func roundToBfloat16(_ x: UnsafeMutablePointer<Float>, count: Int) { nas_bfloat16_round(x, count) }
}

import CKernels
import Runtime

/// Memory for a packed operand. It serves again for operands that are not larger.
public final class PackedBuffer: Sendable {
  private let storage: Storage<UInt32>
  private let capacity: Int
  fileprivate var pointer: UnsafeMutablePointer<UInt32> { storage.pointer }

  fileprivate init(words: Int) { (capacity, storage) = (words, Storage(count: words)) }

  /// Memory for left operands of at most as many rows and columns, in either precision.
  public convenience init(rows: Int, columns: Int) { self.init(words: PackedRows.words(rows, columns, .single)) }

  /// Memory for right operands of at most as many outputs and inputs, in either precision.
  public convenience init(outputs: Int, inputs: Int) { self.init(words: PackedWeight.words(outputs, inputs, .single)) }

  fileprivate func check(_ words: Int) { precondition(words <= capacity, "an operand is larger than its memory") }
}

extension Precision {
  /// Number of neighbours along the summed dimension in a word of a packed operand.
  fileprivate var valuesPerWord: Int { self == .single ? 1 : 2 }

  /// Words of one line of a packed operand.
  fileprivate func words(_ values: Int) -> Int { (values + valuesPerWord - 1) / valuesPerWord }
}

/// The left operand of products, shape `[rows, columns]`: activations.
public struct PackedRows: Sendable {
  public let rows: Int
  public let columns: Int
  public let precision: Precision
  fileprivate let buffer: PackedBuffer

  fileprivate static func words(_ rows: Int, _ columns: Int, _ precision: Precision) -> Int {
    let panel = Int(NAS_PANEL_ROWS)
    return (rows + panel - 1) / panel * panel * precision.words(columns)
  }

  /// Packs `scale·x` and overwrites the memory.
  public init(_ x: Matrix<Float>, _ precision: Precision, scale: Float = 1, in buffer: PackedBuffer) {
    buffer.check(Self.words(x.rows, x.columns, precision))
    (rows, columns, self.precision, self.buffer) = (x.rows, x.columns, precision, buffer)
    let pack = precision == .single ? nas_single_pack_left : nas_bfloat16_pack_left
    pack(x.pointer, rows, columns, x.stride, scale, buffer.pointer)
  }
}

/// The right operand of products, shape `[inputs, outputs]`: the transpose of a weight.
public struct PackedWeight: Sendable {
  public let outputs: Int
  public let inputs: Int
  public let precision: Precision
  fileprivate let buffer: PackedBuffer
  /// Words of a line.
  fileprivate var words: Int { precision.words(inputs) }

  fileprivate static func words(_ outputs: Int, _ inputs: Int, _ precision: Precision) -> Int {
    let panel = Int(NAS_PANEL_COLUMNS)
    return (outputs + panel - 1) / panel * panel * precision.words(inputs)
  }

  /// Idle workers share the packing of a large weight.
  ///
  /// - Parameters:
  ///   - weight: shape `[outputs, inputs]`.
  ///   - buffer: memory to use; `nil` for memory of its own.
  public init(_ weight: Matrix<Float>, _ precision: Precision, in buffer: PackedBuffer? = nil) {
    self.init(outputs: weight.rows, inputs: weight.columns, precision, buffer)
    let pack = precision == .single ? nas_single_pack_right_transposed : nas_bfloat16_pack_right_transposed
    let packed = self
    forEachTile(of: 0..<outputs, isLarge: weight.count >= 1 << 18) { tile in
      pack(
        weight.row(tile.lowerBound), tile.count, packed.inputs, weight.stride,
        packed.buffer.pointer + tile.lowerBound * packed.words)
    }
  }

  /// - Parameter values: shape `[inputs, outputs]`.
  public init(transposeOf values: Matrix<Float>, _ precision: Precision, in buffer: PackedBuffer? = nil) {
    self.init(outputs: values.columns, inputs: values.rows, precision, buffer)
    let pack = precision == .single ? nas_single_pack_right : nas_bfloat16_pack_right
    pack(values.pointer, inputs, outputs, values.stride, self.buffer.pointer)
  }

  private init(outputs: Int, inputs: Int, _ precision: Precision, _ given: PackedBuffer?) {
    (self.outputs, self.inputs, self.precision) = (outputs, inputs, precision)
    let words = Self.words(outputs, inputs, precision)
    buffer = given ?? PackedBuffer(words: words)
    buffer.check(words)
  }

  /// Bytes that the packed weight takes.
  public var byteCount: Int { Self.byteCount(outputs: outputs, inputs: inputs, precision) }

  public static func byteCount(outputs: Int, inputs: Int, _ precision: Precision) -> Int {
    words(outputs, inputs, precision) * MemoryLayout<UInt32>.stride
  }
}

/// `C = X·Wᵀ`, or `C += X·Wᵀ`.
///
/// The value of an element does not depend on the other rows and outputs of the product. Idle workers share a large
/// product.
///
/// - Parameters:
///   - outputs: outputs of the weight to compute, beginning at a multiple of 32; `nil` for all.
///   - inputs: inputs of the weight that the columns of `X` stand for, beginning at an even one; `nil` for all.
///   - c: shape `[rows, outputs]`.
public func multiply(
  _ x: PackedRows, _ weight: PackedWeight, outputs: Range<Int>? = nil, inputs: Range<Int>? = nil,
  accumulating: Bool = false, into c: Matrix<Float>
) {
  multiply(
    x, weight, outputs: outputs ?? 0..<weight.outputs, inputs: inputs ?? 0..<weight.inputs, accumulating: accumulating,
    into: c, with: x.precision == .single ? nas_single_multiply : nas_bfloat16_multiply)
}

/// - Parameter product: the C function that computes it.
func multiply(
  _ x: PackedRows, _ weight: PackedWeight, outputs: Range<Int>, inputs: Range<Int>, accumulating: Bool,
  into c: Matrix<Float>, with product: @escaping PackedProduct
) {
  let panel = Int(NAS_PANEL_COLUMNS)
  precondition(
    inputs.count == x.columns && c.rows == x.rows && c.columns == outputs.count && x.precision == weight.precision,
    "shapes of a product disagree")
  precondition(
    outputs.lowerBound % panel == 0 && inputs.lowerBound % 2 == 0 && inputs.upperBound <= weight.inputs
      && outputs.upperBound <= weight.outputs, "a part of a packed weight begins at a panel and at a pair")
  if c.rows == 0 || c.columns == 0 { return }
  if x.columns == 0 {
    if !accumulating { c.fill(0) }
    return
  }
  let start = weight.precision.words(inputs.lowerBound) * panel
  forEachTile(of: outputs, isLarge: x.rows * x.columns * outputs.count >= Tiles.worthwhile) { tile in
    product(
      c.rows, tile.count, x.precision.words(x.columns), x.buffer.pointer,
      weight.buffer.pointer + tile.lowerBound * weight.words + start, weight.words,
      c.pointer + tile.lowerBound - outputs.lowerBound, c.stride, accumulating)
  }
}

typealias PackedProduct =
  @convention(c) (
    Int, Int, Int, UnsafePointer<UInt32>?, UnsafePointer<UInt32>?, Int, UnsafeMutablePointer<Float>?, Int, Bool
  ) -> Void

/// Runs `body` for tiles of whole panels, a few for every idle worker, or for all outputs at once if there are few.
private func forEachTile(of outputs: Range<Int>, isLarge: Bool, _ body: @Sendable (Range<Int>) -> Void) {
  if !isLarge || Threads.idle == 1 { return body(outputs) }
  let panel = Int(NAS_PANEL_COLUMNS)
  let width = max(1, outputs.count / (4 * Threads.idle * panel)) * panel
  Threads.forEach((outputs.count + width - 1) / width) { tile in
    let start = outputs.lowerBound + tile * width
    body(start..<min(start + width, outputs.upperBound))
  }
}

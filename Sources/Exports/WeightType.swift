import Checkpoints

/// The types of the weights of an export: those of single values, and the quantisations of llama.cpp by its names, which
/// only a GGUF file can have.
public enum WeightType: String, Codable, CaseIterable, Sendable {
  case f16, bf16, f32
  case q80 = "q8_0"
  case q6K = "q6_k"
  /// Mixtures: value projections and down projections of about half of the layers, and the head, are finer.
  case q5KM = "q5_k_m"
  case q4KM = "q4_k_m"
  case q40 = "q4_0"

  /// The type of most matrices.
  public var element: ElementType {
    switch self {
    case .f16: .f16
    case .bf16: .bf16
    case .f32: .f32
    case .q80: .q80
    case .q6K: .q6K
    case .q5KM: .q5K
    case .q4KM: .q4K
    case .q40: .q40
    }
  }

  public var isQuantised: Bool { element.isQuantised }

  /// Bytes of values, if all were of `element`.
  public func bytes(of values: Int) -> Int {
    (values * element.bytesPerBlock + element.blockSize - 1) / element.blockSize
  }

  /// Whether it matters to the rounding how much each column counts.
  public var heedsImportance: Bool { isQuantised && self != .q80 }

  /// `enum llama_ftype` of llama.cpp.
  var fileType: UInt32 {
    switch self {
    case .f32: 0
    case .f16: 1
    case .bf16: 32
    case .q40: 2
    case .q80: 7
    case .q4KM: 15
    case .q5KM: 17
    case .q6K: 18
    }
  }

  /// Whether a format can hold weights of this type.
  ///
  /// - Throws: `ExportError.unsupportedType`.
  public func check(in format: ExportFormat) throws {
    if isQuantised, format != .gguf { throw ExportError.unsupportedType(self, format: format) }
  }

  static let plain = allCases.filter { !$0.isQuantised }
}

/// How many matrices of an export are stored in which type.
public struct MatrixCounts: Sendable, Equatable, CustomStringConvertible {
  public struct Count: Sendable, Equatable {
    public let type: ElementType
    public let matrices: Int
  }

  /// The most frequent first.
  public let counts: [Count]
  /// Those that a quantisation stores in other types because their rows are no whole number of its blocks.
  public let fallbacks: Int
  /// Values of a block.
  private let block: Int

  init(_ plans: [TensorPlan], _ type: WeightType) {
    // Routers of a quantised file are single values, as norms are.
    let matrices = plans.filter { $0.shape.count > 1 && !($0.type == .f32 && type.isQuantised) }
    let counts = Dictionary(grouping: matrices, by: \.type).map { Count(type: $0, matrices: $1.count) }
    self.counts = counts.sorted { ($1.matrices, $0.type.name) < ($0.matrices, $1.type.name) }
    block = type.element.blockSize
    fallbacks = matrices.count { ($0.shape.last ?? 1) % type.element.blockSize != 0 }
  }

  /// Whether all are of the type that was asked for.
  public var areAlike: Bool { counts.count <= 1 && fallbacks == 0 }

  /// Such as `matrices: 180 Q5_0, 31 Q8_0 (181 of them because rows are no whole blocks of 256)`.
  public var description: String {
    let list = counts.map { "\($0.matrices) \($0.type.name)" }.joined(separator: ", ")
    return "matrices: " + list
      + (fallbacks == 0 ? "" : " (\(fallbacks) of them because rows are no whole blocks of \(block))")
  }

  /// Numbers by the names of types.
  public var record: JSONValue {
    .object(Dictionary(uniqueKeysWithValues: counts.map { ($0.type.name, .integer($0.matrices)) }))
  }
}

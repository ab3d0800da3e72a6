import Checkpoints
import LinearAlgebra

/// Reads the tensors of a checkpoint as single-precision matrices in the half-split rotary order.
struct WeightReader: Sendable {
  let checkpoint: any Checkpoint
  let names: TensorNames
  let configuration: ModelConfiguration
  let encoding: WeightEncoding
  private let scales: WeightScales

  init(
    checkpoint: any Checkpoint, names: TensorNames, configuration: ModelConfiguration,
    encoding: WeightEncoding = .plain
  ) {
    (self.checkpoint, self.names, self.encoding) = (checkpoint, names, encoding)
    scales = configuration.folded
    var configuration = configuration
    configuration.folded = WeightScales()
    self.configuration = configuration
  }

  func embedding() throws -> Matrix<Float> {
    let stored = try matrix(names.embedding, rows: configuration.vocabularySize, columns: configuration.hiddenSize)
    return scaled(stored, scales.embedding)
  }

  func finalNorm() throws -> [Float] {
    try gains(names.finalNorm, count: configuration.hiddenSize).map { $0 * scales.finalNorm }
  }

  private func scaled(_ matrix: Matrix<Float>, _ factor: Float) -> Matrix<Float> {
    if factor == 1 { return matrix }
    let result = matrix.copy()
    Kernels.scale(result.pointer, by: factor, count: result.count)
    return result
  }

  /// Compares the shape of every tensor with the configuration, without reading values.
  func checkShapes() throws {
    let hidden = configuration.hiddenSize
    try check(names.embedding, [configuration.vocabularySize, hidden])
    try check(names.finalNorm, [hidden])
    if !configuration.tiedEmbeddings { try check(names.head, [configuration.vocabularySize, hidden]) }
    var missing: [String] = []
    for (index, shape) in configuration.layers.enumerated() {
      for part in configuration.parts(of: shape) {
        let expected = part.dimensions(in: configuration, shape)
        if let experts = experts(part) {
          for (name, stored) in experts.tensors(layer: index, of: shape) {
            try check(name, stored, isInBlocks: experts.isInBlocks(layer: index))
          }
        } else {
          try check(names.weight(part, layer: index), expected)
        }
        guard configuration.hasBias(part) else { continue }
        let bias = names.bias(part, layer: index)
        guard checkpoint.contains(bias) else {
          missing.append(bias)
          continue
        }
        try check(bias, experts(part)?.biasShape(of: shape) ?? [expected[0]])
      }
    }
    // llama.cpp looks for the biases of each layer, so that files in GGUF promise none.
    if let first = missing.first, !(checkpoint is GGUFFile) {
      Notices.tell(
        "\(checkpoint.location.path): \(missing.count) biases that the configuration promises are not stored, the first "
          + "'\(first)'; zeros stand for them")
    }
  }

  /// The weights of one layer. Parts that a layer of zero width does not have are empty.
  func layer(_ index: Int) throws -> LayerWeights {
    let shape = configuration.layers[index]
    let present = configuration.parts(of: shape)
    var layer = LayerWeights()
    layer.attentionKind = configuration.attentionKind(of: index)
    let order = order(layer.attentionKind)
    for part in LayerPart.allCases where configuration.block.parts.contains(part) {
      let (expected, name) = (part.dimensions(in: configuration, shape), names.weight(part, layer: index))
      let isPresent = present.contains(part)
      if part.isLinear {
        layer[part] =
          isPresent
          ? try linear(part, layer: index, expected, order)
          : Linear(weight: Matrix(rows: expected[0], columns: expected[1]))
      } else {
        layer[gain: part] =
          isPresent ? try gains(name, count: expected[0]) : Array(repeating: 1, count: expected[0])
        if isPresent, part.isRotated, let order {
          let stored = layer[gain: part]
          layer[gain: part] = order.inMemory(rows: stored.count).map { stored[$0] }
        }
      }
    }
    return layer
  }

  /// The order of the file's rows in a layer with some kind of attention; `nil` for that of memory.
  private func order(_ kind: Int) -> RotaryRows? {
    let family = configuration.family
    let order = RotaryRows(
      headDimension: configuration.headDimension, turned: configuration.block.attention[kind].rotary.turnedDimensions,
      interleaved: checkpoint is GGUFFile ? family.ggufInterleavesRotaryRows : family.interleavesRotaryRows)
    return order.isIdentity ? nil : order
  }

  /// The gains of a norm.
  private func gains(_ name: String, count: Int) throws -> [Float] {
    let (stored, offset) = (try vector(name, count: count), configuration.family.gainOffset)
    return offset == 0 || checkpoint is GGUFFile ? stored : stored.map { $0 + offset }
  }

  private func linear(_ part: LayerPart, layer index: Int, _ shape: [Int], _ order: RotaryRows?) throws -> Linear {
    let factor = scales.parts[part] ?? 1
    let stored =
      try experts(part)?.read(layer: index, of: configuration.layers[index])
      ?? matrix(names.weight(part, layer: index), rows: shape[0], columns: shape[1])
    let result = Linear(
      weight: scaled(stored, factor),
      bias: configuration.hasBias(part) ? try bias(part, layer: index, count: shape[0]).map { $0 * factor } : nil)
    guard part.isRotated, let order else { return result }
    let ordered = result.reorderingOutputs(order.inMemory(rows: shape[0]))
    let attention = configuration.attention(of: index).rotary.attentionFactor
    return attention == 1 ? ordered : order.shortening(ordered, by: attention)
  }

  /// Has the matrices of a layer read from disk, to be there when they are asked for.
  func prefetch(_ index: Int) {
    let shape = configuration.layers[index]
    for part in configuration.parts(of: shape) {
      let stored = experts(part)?.tensors(layer: index, of: shape).map(\.name) ?? [names.weight(part, layer: index)]
      for name in stored { try? checkpoint.tensor(name).prefetch() }
    }
  }

  /// The bias of a part; zeros where none is stored.
  private func bias(_ part: LayerPart, layer: Int, count: Int) throws -> [Float] {
    let name = names.bias(part, layer: layer)
    guard checkpoint.contains(name) else { return Array(repeating: 0, count: count) }
    if let experts = experts(part) { return try experts.bias(layer: layer, of: configuration.layers[layer]) }
    return try vector(name, count: count)
  }

  /// A matrix, without a copy where the file holds single precision.
  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix<Float> {
    let tensor = try check(name, [rows, columns])
    let result: Matrix<Float>
    if let direct = tensor.directFloats, let base = direct.baseAddress {
      result = Matrix(
        viewing: UnsafeMutablePointer(mutating: base), rows: rows, columns: columns, stride: columns,
        owner: TensorOwner(tensor: tensor))
    } else {
      result = Matrix(rows: rows, columns: columns)
      try tensor.widen(rows: 0..<rows, into: UnsafeMutableBufferPointer(start: result.pointer, count: result.count))
      tensor.release()
      try scales(of: tensor, rows: rows, columns: columns)?.scale(result)
    }
    try checkFinite(UnsafeBufferPointer(start: result.pointer, count: result.count), tensor)
    return result
  }

  /// The scales that belong to a matrix of 8-bit floats.
  private func scales(of tensor: Tensor, rows: Int, columns: Int) throws -> ScaledMatrix? {
    guard tensor.type.isFloat8 else { return nil }
    let stored = WeightEncoding.scaleSuffixes.map { tensor.name + $0 }.filter { checkpoint.contains($0) }
    if stored.count > 1 {
      throw ModelError.contradiction(file: tensor.file, first: stored[0], "stored", second: stored[1], "stored, too")
    }
    guard case .float8(let block) = encoding else {
      guard let name = stored.first else { return nil }
      return try ScaledMatrix(checkpoint.tensor(name), rows: rows, columns: columns, block: nil)
    }
    let name = stored.first ?? tensor.name + WeightEncoding.scaleSuffixes[0]
    return try ScaledMatrix(checkpoint.tensor(name), rows: rows, columns: columns, block: block)
  }

  func vector(_ name: String, count: Int) throws -> [Float] { try values(of: name, [count]) }

  /// The numbers of a small tensor.
  func values(of name: String, _ shape: [Int]) throws -> [Float] {
    let tensor = try check(name, shape)
    let values = try tensor.floats()
    try values.withUnsafeBufferPointer { try checkFinite($0, tensor) }
    return values
  }

  /// How the experts' share of a part is stored; `nil` for a part of one tensor that is the part's matrix.
  private func experts(_ part: LayerPart) -> ExpertTensors? {
    guard configuration.block.experts != nil, part.isOfExperts else { return nil }
    return ExpertTensors(reader: self, part: part)
  }

  /// - Parameter isInBlocks: whether integers are what the tensor has to hold.
  @discardableResult
  func check(_ name: String, _ expected: [Int], isInBlocks: Bool = false) throws -> Tensor {
    let tensor = try checkpoint.tensor(name)
    guard tensor.shape == expected || isPadded(tensor, expected) else {
      throw ModelError.wrongShape(file: tensor.file, tensor: name, found: tensor.shape, expected: expected)
    }
    if isInBlocks ? tensor.type != .u8 : tensor.type.isInteger {
      let form = tensor.type.isInteger ? "holds integers, \(tensor.type.name)" : "is of type \(tensor.type.name)"
      throw ModelError.quantised(
        file: tensor.file, form: "tensor '\(tensor.storedName)' \(form)",
        advice: WeightEncoding.original
      )
    }
    return tensor
  }

  /// Whether the shape has only ones more, on the outside: ggml's tensors have four dimensions, of which files may hold any.
  private func isPadded(_ tensor: Tensor, _ expected: [Int]) -> Bool {
    checkpoint is GGUFFile && tensor.shape.count > expected.count
      && tensor.shape.suffix(expected.count) == expected[...]
      && tensor.shape.dropLast(expected.count).allSatisfy { $0 == 1 }
  }

  func checkFinite(_ values: UnsafeBufferPointer<Float>, _ tensor: Tensor) throws {
    if let index = firstNonFinite(in: values) {
      throw ModelError.notFinite(
        file: tensor.file, tensor: tensor.storedName, index: tensor.storedIndex(index), value: values[index])
    }
  }
}

/// Keeps a mapped file alive for the matrices that view it.
private final class TensorOwner {
  private let tensor: Tensor

  init(tensor: Tensor) { self.tensor = tensor }
}

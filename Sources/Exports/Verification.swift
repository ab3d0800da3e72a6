import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime

/// The result of the comparison of an export with the network in memory.
public struct Verification: Sendable, Equatable {
  /// Tensors that came back exactly as the rounding of the network's values to the chosen type.
  public let tensors: Int
  /// Tokens whose logits were compared.
  public let tokens: Int
  /// Largest difference of a logit.
  public let largestDifference: Double
  /// ‖difference‖ / ‖logits less their mean at each position‖ over all logits.
  public let relativeRMS: Double
}

extension Verification {
  /// Opens what was written and compares configuration, every tensor, and the logits of the tokens.
  ///
  /// Both networks run side by side, so that no more than one layer of each is in memory.
  ///
  /// - Parameters:
  ///   - temporary: place where it was written.
  ///   - destination: future place, for messages.
  /// - Throws: `ExportError`, and what the network throws.
  init<Exported: Network>(
    of temporary: URL, as destination: URL, _ network: Exported, _ written: NetworkTensors<Exported>,
    _ windows: TokenWindows, monitor: Monitor
  ) throws {
    let path = destination.path
    func reading<Value>(_ body: () throws -> Value) throws -> Value {
      do {
        return try body()
      } catch {
        let reason = "\(error)".replacingOccurrences(of: temporary.path, with: path)
        throw ExportError.unreadable(path: path, reason: reason)
      }
    }

    let reloaded = try reading {
      try LanguageModel(
        temporary, memory: network.memory, keepingLayers: false,
        families: [network.configuration.family] + Family.all)
    }
    let types = try reading { try Self.types(of: written.types.keys.sorted(), in: reloaded) }
    for (name, type) in written.types.sorted(by: { $0.key < $1.key }) where types[name] != type {
      throw ExportError.differentConfiguration(
        path: path, property: "type of '\(name)'", found: types[name]?.name ?? "none", expected: type.name)
    }
    try ConfigurationComparison(path: path, found: reloaded.configuration, expected: network.configuration).check()
    let comparison = TensorComparison(path: path, types: types, importance: written.importance)
    let names = written.names
    try comparison.check(reloaded.embedding, network.embedding, names.embedding)
    let offset = written.layout.gainOffset
    try comparison.check(gains: reloaded.finalNorm, network.finalNorm, offset, names.finalNorm)
    if !network.configuration.tiedEmbeddings { try comparison.check(reloaded.head, network.head, names.head) }

    let pass = ForwardPass(windows)
    // A rounded score may send a token to another expert. So both networks of experts compute with the stored weights,
    // which are compared one by one, and only what the configuration says can make a difference. Networks of blocks do
    // likewise: what their rounding does to the logits is not what is looked for here.
    let isRounded = written.types.values.contains(where: \.isQuantised)
    let sharesWeights = network.configuration.block.experts != nil || isRounded
    let foundHidden = try reading { try pass.embed(reloaded) }
    let expectedHidden = sharesWeights ? foundHidden.copy() : try pass.embed(network)
    let (expectedRunner, foundRunner) = (pass.runner(for: network), pass.runner(for: reloaded))
    for (index, shape) in network.configuration.layers.enumerated() {
      try monitor.advance(.init(.readingBack), index, of: network.configuration.layerCount)
      let expected = try network.layer(index)
      let found = try reading { try reloaded.layer(index) }
      for part in network.configuration.parts(of: shape) {
        try comparison.check(part, found, expected, names, layer: index, shape, offset: offset)
      }
      try expectedRunner.run(layer: index, weights: sharesWeights ? found : expected, expectedHidden)
      try foundRunner.run(layer: index, weights: found, foundHidden)
    }
    try expectedRunner.normalise(expectedHidden, gain: network.finalNorm)
    try foundRunner.normalise(foundHidden, gain: reloaded.finalNorm)

    let logits = try LogitComparison(reloaded, foundHidden, network, expectedHidden, sharingHead: isRounded)
    try logits.check(types[names.embedding] ?? .f32, path: path)
    self.init(
      tensors: written.types.count, tokens: windows.tokens.count, largestDifference: logits.largestDifference,
      relativeRMS: logits.relativeRMS)
  }
}

extension Verification {
  private static func types(of names: [String], in model: LanguageModel) throws -> [String: ElementType] {
    try Dictionary(uniqueKeysWithValues: names.map { ($0, try model.checkpoint.tensor($0).type) })
  }
}

/// Compares values that were read with the rounding of those that were written, bit by bit.
struct TensorComparison {
  let path: String
  /// The stored type of each tensor.
  let types: [String: ElementType]
  /// By which blocks were rounded.
  var importance: InputImportance?

  /// A part of a layer.
  ///
  /// - Parameter offset: number that the gains of norms are stored without.
  func check(
    _ part: LayerPart, _ found: LayerWeights, _ expected: LayerWeights, _ names: TensorNames, layer: Int,
    _ shape: LayerShape, offset: Float
  ) throws {
    let name =
      names.isByExpert(part) ? names.weights(part, layer: layer, of: shape)[0] : names.weight(part, layer: layer)
    if part.isLinear {
      if let type = types[name], type.isQuantised {
        let experts = part.writesToStream && expected.hasExperts && part.isOfExperts ? shape.mlpChannels : 1
        try checkBlocks(found[part].weight, expected[part].weight, name, type, part, layer, experts: experts)
        guard let bias = expected[part].bias else { return }
        return try check(found[part].bias ?? [], bias, names.bias(part, layer: layer))
      }
      try check(found[part], expected[part], name, names.bias(part, layer: layer))
    } else {
      try check(gains: found[gain: part], expected[gain: part], offset, name)
    }
  }

  /// A projection with its bias, if it has one.
  func check(_ found: Linear, _ expected: Linear, _ name: String, _ biasName: String) throws {
    try check(found.weight, expected.weight, name)
    if let bias = expected.bias { try check(found.bias ?? [], bias, biasName) }
  }

  /// - Parameter offset: number that the gains are stored without.
  func check(gains found: [Float], _ expected: [Float], _ offset: Float, _ name: String) throws {
    if offset == 0 { return try check(found, expected, name) }
    let type = types[name] ?? .f32
    let rounded = expected.map { offset + type.rounded($0 - offset) }
    try TensorComparison(path: path, types: [:]).check(found, rounded, name)
  }

  func check(_ found: Matrix<Float>, _ expected: Matrix<Float>, _ name: String) throws {
    try checkShape(found, expected, name)
    if let type = types[name], type.isQuantised {
      return try checkBlocks(found, expected, name, type, importance: nil)
    }
    for row in 0..<found.rows {
      try check(
        UnsafeBufferPointer(start: found.row(row), count: found.columns),
        UnsafeBufferPointer(start: expected.row(row), count: found.columns), name, start: row * found.columns)
    }
    withExtendedLifetime((found, expected)) {}
  }

  func checkShape(_ found: Matrix<Float>, _ expected: Matrix<Float>, _ name: String) throws {
    guard found.rows == expected.rows, found.columns == expected.columns else {
      throw ExportError.wrongShape(
        tensor: name, found: [found.rows, found.columns], expected: [expected.rows, expected.columns])
    }
  }

  func check(_ found: [Float], _ expected: [Float], _ name: String) throws {
    guard found.count == expected.count else {
      throw ExportError.wrongShape(tensor: name, found: [found.count], expected: [expected.count])
    }
    try found.withUnsafeBufferPointer { found in
      try expected.withUnsafeBufferPointer { try check(found, $0, name, start: 0) }
    }
  }

  /// Values that a file holds in 16 bits are unchanged by rounding them to those 16 bits again, so equality of the two
  /// roundings is equality with what should be in the file.
  private func check(
    _ found: UnsafeBufferPointer<Float>, _ expected: UnsafeBufferPointer<Float>, _ name: String, start: Int
  ) throws {
    let type = types[name] ?? .f32
    let difference: Int?
    if type == .f32 {
      difference = firstDifference(UnsafeRawBufferPointer(found), UnsafeRawBufferPointer(expected)).map { $0 / 4 }
    } else {
      difference = withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 2 * found.count) { memory in
        let rounded = UnsafeMutableBufferPointer(rebasing: memory[..<found.count])
        let target = UnsafeMutableBufferPointer(rebasing: memory[found.count...])
        _ = type == .f16 ? Narrowing.f16(found, into: rounded) : Narrowing.bf16(found, into: rounded)
        _ = type == .f16 ? Narrowing.f16(expected, into: target) : Narrowing.bf16(expected, into: target)
        return firstDifference(UnsafeRawBufferPointer(rounded), UnsafeRawBufferPointer(target)).map { $0 / 2 }
      }
    }
    if let difference {
      throw ExportError.differentTensor(
        path: path, tensor: name, index: start + difference, found: found[difference], expected: expected[difference])
    }
  }

  /// The first byte in which two buffers of equal length differ.
  func firstDifference(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int? {
    guard let first = a.baseAddress, let second = b.baseAddress, memcmp(first, second, a.count) != 0 else {
      return nil
    }
    return a.indices.first { a[$0] != b[$0] }
  }
}

/// Sums over pairs of logits.
struct LogitComparison {
  static let relative = "relative RMS difference"

  private var largestFound = 0.0
  private var largestLogit = 0.0
  private var squaredDifference = 0.0
  private var squaredSpread = 0.0

  /// NaN where any logit is.
  var largestDifference: Double { squaredDifference.isNaN ? .nan : largestFound }

  /// NaN where any logit is.
  var relativeRMS: Double {
    squaredDifference == 0 ? 0 : (squaredDifference / squaredSpread).squareRoot()
  }

  init() {}

  /// The logits of two networks' heads on hidden states, 64 tokens at a time.
  ///
  /// - Parameter sharingHead: whether both have the weights of the first.
  init(
    _ foundNetwork: some Network, _ found: Matrix<Float>, _ expectedNetwork: some Network, _ expected: Matrix<Float>,
    sharingHead: Bool = false
  ) throws {
    let foundHead = foundNetwork.outputHead(.single)
    let expectedHead =
      sharingHead
      ? expectedNetwork.engine.head(foundNetwork.head, cap: expectedNetwork.configuration.logitCap, .single)
      : expectedNetwork.outputHead(.single)
    let vocabulary = expectedNetwork.head.rows
    for start in stride(from: 0, to: found.rows, by: 64) {
      let rows = start..<min(start + 64, found.rows)
      add(
        found: try foundHead.logits(found.rows(rows), vocabulary: vocabulary),
        expected: try expectedHead.logits(expected.rows(rows), vocabulary: vocabulary))
    }
  }

  /// Both of shape `[tokens, vocabulary]`.
  mutating func add(found: Matrix<Float>, expected: Matrix<Float>) {
    for row in 0..<expected.rows {
      let (x, y) = (found.row(row), expected.row(row))
      var (sum, squares) = (0.0, 0.0)
      for column in 0..<expected.columns {
        let logit = Double(y[column])
        let difference = abs(Double(x[column]) - logit)
        sum += logit
        squares += logit * logit
        squaredDifference += difference * difference
        largestFound = max(largestFound, difference)
        largestLogit = max(largestLogit, abs(logit))
      }
      squaredSpread += max(0, squares - sum * sum / Double(expected.columns))
    }
  }

  /// - Throws: `ExportError.differentLogits`: for F32 where a logit differs by more than 1e-3·(1 + the largest logit);
  ///   for F16 and BF16 where the relative RMS exceeds 0.01 and 0.05.
  func check(_ type: ElementType, path: String) throws {
    let (figure, value, limit) =
      switch type {
      case .f16: (Self.relative, relativeRMS, 0.01)
      case .bf16: (Self.relative, relativeRMS, 0.05)
      default: ("largest difference", largestDifference, 1e-3 * (1 + largestLogit))
      }
    guard value <= limit else {
      throw ExportError.differentLogits(path: path, figure: figure, found: value, limit: limit)
    }
  }
}

extension ElementType {
  /// A number as a file of this type holds it.
  fileprivate func rounded(_ value: Float) -> Float {
    switch self {
    case .f16: Float(Float16(value))
    case .bf16:
      withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 1) { memory in
        _ = withUnsafePointer(to: value) { Narrowing.bf16(UnsafeBufferPointer(start: $0, count: 1), into: memory) }
        return Float(bitPattern: UInt32(memory[0]) << 16)
      }
    default: value
    }
  }
}

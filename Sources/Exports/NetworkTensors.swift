import Checkpoints
import LanguageModels
import LinearAlgebra
import Runtime

/// The forms in which a file stores the tensors of a network.
struct TensorLayout {
  /// The parts in one tensor, with its name within a layer.
  var joined: [(parts: [LayerPart], name: String)] = []
  /// The order of the rows of each kind of attention.
  var orders: [RotaryRows]
  /// The number that the gains of norms are stored without.
  var gainOffset: Float = 0

  init(_ form: GGUFForm, _ configuration: ModelConfiguration) {
    orders = Self.orders(configuration, turnsPart: form.turnsPart, interleaved: form.interleavesRotaryRows)
    joined = form.joinedParts.compactMap { joined in joined.gguf.map { (joined.parts, $0) } }
  }

  init(_ form: HuggingFaceForm, _ configuration: ModelConfiguration) {
    let family = configuration.family
    orders = Self.orders(
      configuration, turnsPart: form.turnsPart, interleaved: form.turnsPart && family.interleavesRotaryRows)
    gainOffset = family.gainOffset
    if form.joinsParts {
      joined = family.joinedParts.compactMap { joined in joined.huggingFace.map { (joined.parts, $0) } }
    }
  }

  private static func orders(_ configuration: ModelConfiguration, turnsPart: Bool, interleaved: Bool) -> [RotaryRows] {
    configuration.block.attention.map {
      RotaryRows(
        headDimension: configuration.headDimension, turned: turnsPart ? $0.rotary.turnedDimensions : nil,
        interleaved: interleaved)
    }
  }
}

/// The tensors of a network under the names of a file format, supplied to a writer layer by layer.
final class NetworkTensors<Exported: Network> {
  /// The source of a tensor's values.
  enum Source {
    case embedding
    case head
    case finalNorm
    /// The divisors of the rotary frequencies.
    case ropeDivisors([Float])
    case weight(LayerPart, layer: Int)
    /// The rows of several projections, one after another.
    case joined([LayerPart], layer: Int)
    case bias(LayerPart, layer: Int)
    /// The share of one expert, or those of all, one after another.
    case expert(Int, LayerPart, layer: Int)
    case experts(LayerPart, layer: Int)
    /// The transposes of all experts' shares of projections whose outputs take turns, and the projections' biases
    /// likewise.
    case turns([LayerPart], layer: Int)
    case turnsOfBiases([LayerPart], layer: Int)
  }

  let names: TensorNames
  /// In the order in which they are written.
  let plans: [TensorPlan]
  private let network: Exported
  /// The written type of every tensor, by the names under which a reader finds it: what is written joined is read one
  /// by one.
  let types: [String: ElementType]
  let sources: [String: Source]
  let layout: TensorLayout
  /// How much errors count where matrices are rounded to blocks; `nil` for as much as values are large.
  var importance: InputImportance?
  /// Function that is called with the layer that is written next.
  var monitor = Monitor.silent
  /// The last requested layer.
  private var current: (index: Int, weights: LayerWeights)?

  /// - Parameters:
  ///   - matrixType: type of embedding, head and projections, by their names and the values of a row.
  ///   - vectorType: type of norms and biases.
  ///   - ropeTensors: divisors of rotary frequencies and their names; written in F32.
  init(
    _ network: Exported, names: TensorNames, matrixType: (_ name: String, _ columns: Int) -> ElementType,
    vectorType: ElementType, layout: TensorLayout, ropeTensors: [(name: String, values: [Float])] = []
  ) {
    self.network = network
    self.names = names
    self.layout = layout
    let configuration = network.configuration
    let hidden = configuration.hiddenSize
    var plans: [TensorPlan] = []
    var (types, sources): ([String: ElementType], [String: Source]) = ([:], [:])
    func add(_ name: String, as vector: ElementType? = nil, _ shape: [Int], _ source: Source) {
      let type = vector ?? matrixType(name, shape.last ?? 1)
      plans.append(TensorPlan(name: name, type: type, shape: shape))
      (types[name], sources[name]) = (type, source)
    }
    add(names.embedding, [configuration.vocabularySize, hidden], .embedding)
    for (name, values) in ropeTensors { add(name, as: .f32, [values.count], .ropeDivisors(values)) }
    for (layer, shape) in configuration.layers.enumerated() {
      var parts = configuration.parts(of: shape)
      for (joined, name) in layout.joined where joined.allSatisfy(parts.contains) {
        let sizes = joined.map { $0.dimensions(in: configuration, shape) }
        let whole = names.inLayer(layer, name + ".weight")
        add(whole, [sizes.reduce(0) { $0 + $1[0] }, sizes[0][1]], .joined(joined, layer: layer))
        let type = types.removeValue(forKey: whole)
        for part in joined { types[names.weight(part, layer: layer)] = type }
        parts.removeAll(where: joined.contains)
      }
      if configuration.block.experts != nil {
        for part in parts where part.isOfExperts {
          let experts = Self.experts(part, layer, configuration, names)
          for (name, shape, source) in experts.weights { add(name, shape, source) }
          if let (name, shape, source) = experts.bias { add(name, as: vectorType, shape, source) }
        }
        parts.removeAll(where: \.isOfExperts)
      }
      for part in parts {
        let dimensions = part.dimensions(in: configuration, shape)
        let type = part.isStoredAsVector ? vectorType : nil
        add(names.weight(part, layer: layer), as: type, dimensions, .weight(part, layer: layer))
        if configuration.hasBias(part) {
          add(names.bias(part, layer: layer), as: vectorType, [dimensions[0]], .bias(part, layer: layer))
        }
      }
    }
    add(names.finalNorm, as: vectorType, [hidden], .finalNorm)
    if !configuration.tiedEmbeddings {
      add(names.head, [configuration.vocabularySize, hidden], .head)
    }
    self.plans = plans
    self.types = types
    self.sources = sources
  }

  private typealias Stored = (name: String, shape: [Int], source: Source)

  /// The tensors that hold a part of all experts of a layer; none for an up that is stored with its gate.
  private static func experts(
    _ part: LayerPart, _ layer: Int, _ configuration: ModelConfiguration, _ names: TensorNames
  ) -> (weights: [Stored], bias: Stored?) {
    let (shape, share) = (configuration.layers[layer], configuration.expertShare(of: part))
    let (named, biasName) = (names.weights(part, layer: layer, of: shape), names.bias(part, layer: layer))
    if names.joinsGateAndUp {
      if part == .up { return ([], nil) }
      let turns: [LayerPart] = part == .gate ? [.gate, .up] : [part]
      let outputs = share[0] * turns.count
      let weight: Stored = (named[0], [shape.mlpChannels, share[1], outputs], .turns(turns, layer: layer))
      let bias: Stored = (biasName, [shape.mlpChannels, outputs], .turnsOfBiases(turns, layer: layer))
      return ([weight], configuration.hasBias(part) ? bias : nil)
    }
    let bias: Stored = (biasName, [shape.mlpChannels, share[0]], .bias(part, layer: layer))
    return (
      named.enumerated().map { expert, name in
        names.isByExpert(part)
          ? (name, share, .expert(expert, part, layer: layer))
          : (name, [shape.mlpChannels] + share, .experts(part, layer: layer))
      }, configuration.hasBias(part) ? bias : nil
    )
  }

  /// Supplies the values of a planned tensor, as a `TensorSupply`.
  ///
  /// - Throws: `ExportError.wrongShape`, `.biasMismatch`, `.notFinite`, and what the network throws.
  func supply(_ plan: TensorPlan, _ write: (UnsafeBufferPointer<Float>) throws -> Void) throws {
    switch sources[plan.name] {
    case .embedding: try supply(network.embedding, plan, write)
    case .head: try supply(network.head, plan, write)
    case .finalNorm: try supply(gains(network.finalNorm), plan, write)
    case .ropeDivisors(let divisors): try supply(divisors, plan, write)
    case .weight(let part, let index):
      let layer = try layer(index)
      guard part.isLinear else {
        let gains = gains(layer[gain: part])
        let order = order(of: part, layer, rows: gains.count)
        return try supply(order.map { $0.map { gains[$0] } } ?? gains, plan, write)
      }
      let linear = layer[part]
      if linear.bias != nil, !network.configuration.hasBias(part) {
        throw ExportError.biasMismatch(tensor: names.bias(part, layer: index), present: true)
      }
      try supply(linear.weight, plan, order: order(of: part, layer, rows: linear.outputs), write)
    case .joined(let parts, let index):
      let layer = try layer(index)
      for part in parts {
        let size = part.dimensions(in: network.configuration, network.configuration.layers[index])
        let share = TensorPlan(name: names.weight(part, layer: index), type: plan.type, shape: size)
        try supply(layer[part].weight, share, order: order(of: part, layer, rows: size[0]), write)
      }
    case .bias(let part, let index):
      let (layer, bias) = (try layer(index), try bias(of: part, index, plan))
      let order = order(of: part, layer, rows: bias.count)
      try supply(order.map { $0.map { bias[$0] } } ?? bias, plan, write)
    case .turns(let parts, let index):
      for expert in 0..<network.configuration.layers[index].mlpChannels {
        let shares = try parts.map { try expertShare(expert, $0, index) }
        let turned = Matrix<Float>(uninitialized: shares[0].columns, columns: shares[0].rows * shares.count)
        for (place, share) in shares.enumerated() {
          for i in 0..<share.rows {
            for j in 0..<share.columns { turned[j, i * shares.count + place] = share[i, j] }
          }
        }
        let shape = [turned.rows, turned.columns]
        try supply(turned, TensorPlan(name: plan.name, type: plan.type, shape: shape), write)
      }
    case .turnsOfBiases(let parts, let index):
      let biases = try parts.map { try bias(of: $0, index, plan) }
      try supply(biases[0].indices.flatMap { i in biases.map { $0[i] } }, plan, write)
    case .expert(let expert, let part, let index):
      try supply(try expertShare(expert, part, index), plan, write)
    case .experts(let part, let index):
      let share = TensorPlan(name: plan.name, type: plan.type, shape: network.configuration.expertShare(of: part))
      for expert in 0..<network.configuration.layers[index].mlpChannels {
        try supply(try expertShare(expert, part, index), share, write)
      }
    case nil:
      throw CheckpointError.invalidPlan(file: "the export", problem: "tensor '\(plan.name)' is not planned")
    }
  }

  private func layer(_ index: Int) throws -> LayerWeights {
    if let current, current.index == index { return current.weights }
    current = nil  // Only one layer in memory.
    try monitor.advance(.init(.writing), index, of: network.configuration.layerCount)
    let weights = try network.layer(index)
    current = (index, weights)
    return weights
  }

  private func bias(of part: LayerPart, _ index: Int, _ plan: TensorPlan) throws -> [Float] {
    guard let bias = try layer(index)[part].bias else {
      throw ExportError.biasMismatch(tensor: plan.name, present: false)
    }
    return bias
  }

  private func expertShare(_ expert: Int, _ part: LayerPart, _ index: Int) throws -> Matrix<Float> {
    let channels = network.configuration.channelsPerUnit
    let (weight, own) = (try layer(index)[part].weight, expert * channels..<(expert + 1) * channels)
    return part.writesToStream ? weight.columns(own) : weight.rows(own)
  }

  private func order(of part: LayerPart, _ layer: LayerWeights, rows: Int) -> [Int]? {
    let order = layout.orders[layer.attentionKind]
    return part.isRotated && !order.isIdentity ? order.inFile(rows: rows) : nil
  }

  private func gains(_ gains: [Float]) -> [Float] {
    layout.gainOffset == 0 ? gains : gains.map { $0 - layout.gainOffset }
  }

  private func supply(
    _ vector: [Float], _ plan: TensorPlan, _ write: (UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    guard vector.count == plan.shape.reduce(1, *) else {
      throw ExportError.wrongShape(tensor: plan.name, found: [vector.count], expected: plan.shape)
    }
    try vector.withUnsafeBufferPointer { values in
      try checkFinite(values, plan, from: 0)
      try write(values)
    }
  }

  private func supply(
    _ matrix: Matrix<Float>, _ plan: TensorPlan, order: [Int]? = nil,
    _ write: (UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    guard [matrix.rows, matrix.columns] == plan.shape else {
      throw ExportError.wrongShape(tensor: plan.name, found: [matrix.rows, matrix.columns], expected: plan.shape)
    }
    try withExtendedLifetime(matrix) {
      if matrix.isContiguous, order == nil {
        let values = UnsafeBufferPointer(start: matrix.pointer, count: matrix.count)
        try checkFinite(values, plan, from: 0)
        return try write(values)
      }
      for place in 0..<matrix.rows {
        let values = UnsafeBufferPointer(start: matrix.row(order?[place] ?? place), count: matrix.columns)
        try checkFinite(values, plan, from: place * matrix.columns)
        try write(values)
      }
    }
  }

  private func checkFinite(_ values: UnsafeBufferPointer<Float>, _ plan: TensorPlan, from start: Int) throws {
    if let index = firstNonFinite(in: values) {
      throw ExportError.notFinite(tensor: plan.name, index: start + index, value: values[index])
    }
  }
}

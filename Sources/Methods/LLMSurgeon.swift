import Calibration
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Subnets
import Workbench

/// The LLM Surgeon (arXiv 2312.17244, and its authors' code): units removed in many shots by what each adds to the loss under
/// Kronecker-factored curvature, with an update of what remains after each.
///
/// In every shot, on the network as it is by then: `A = E[a aᵀ]` of the inputs of each output and down projection and
/// `G = E[g gᵀ]` of the loss's gradient at its output stand for the Fisher information, `F = G ⊗ A`. The unit with the columns
/// `R` costs `½·tr( W_Rᵀ G W_R ([A⁻¹]_RR)⁻¹ )`; the cheapest units of the whole network go, by one threshold, until the shot's
/// share of the budget is met (a linear schedule); and the rest of the projection becomes
///
///     W ← W − W_R ([A⁻¹]_RR)⁻¹ [A⁻¹]_R·
///
/// The published defaults are 40 shots, 128 sequences, damping 0.01 of the mean diagonal and the gradients of the text's own
/// tokens (the empirical Fisher matrix). Differences: the paper zeroes rows and columns of each matrix on its own. Here the
/// columns of `o_proj` and `down_proj` go with the rows of the other projections that feed them, so a unit costs what its
/// columns do, and rows, whose outputs nobody reads any more, need no update. Rows of `o_proj` and `down_proj`, dimensions of the
/// residual stream, stay. Every layer keeps a group and a channel. The optional first-order correction by low-rank
/// weights between the shots is left out.
struct LLMSurgeon: PruningMethod {
  let name = "llm-surgeon"
  let summary = "K-FAC cost in many shots; one threshold for all layers; update of the other columns"
  let source = "The LLM Surgeon, arXiv 2312.17244"
  let gradients: Set<BackwardPass.Scalar> = [.loss]

  struct Settings: MethodSettings {
    var shots = 40
    var samples = 128
    var damping = 0.01

    static var fields: [SettingField<Self>] {
      [
        .number("shots", \.shots, 1...10_000, "rounds of curvature, removal and update"),
        .number("samples", \.samples, 1...1_000_000, "windows of the calibration for the curvature"),
        .number("damping", \.damping, 1e-9...1e6, "what A gets on its diagonal, as a share of its mean"),
      ]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let (model, configuration) = (bench.model, bench.configuration)
    try checkOneMLP(configuration)
    let impossible = MethodError.impossible(name, bench, budget: budget)
    let windows = bench.calibration.first(settings.samples)
    var units = configuration.layers.map { KeptUnits.all(of: $0) }
    var network = Subnet(of: model, keeping: units)
    for shot in 1...settings.shots {
      let excess = Double(configuration.blockParameters - budget) * Double(shot) / Double(settings.shots)
      let limit = shot == settings.shots ? budget : configuration.blockParameters - Int(excess)
      let curvature = try bench.timed(.score) {
        try LossCurvature(of: network, on: windows, damping: settings.damping)
      }
      let costs = try bench.timed(.score) { try curvature.costs() }
      let threshold = GlobalThreshold(configuration: network.configuration, scores: costs, step: 1)
      guard threshold.widths(groupFactor: 1, budget: budget) != nil,
        let widths = threshold.widths(groupFactor: 1, budget: limit)
      else { throw impossible }
      let kept = bench.units(widths, costs)
      network = try bench.timed(.repair) { try curvature.removing(allBut: kept, of: model) }
      units = zip(units, kept).map { all, kept in
        KeptUnits(groups: kept.groups.map { all.groups[$0] }, channels: kept.channels.map { all.channels[$0] })
      }
      try bench.monitor.advance(.init(.trials), shot, of: settings.shots)
    }
    return PrunedModel(
      units: units, network: network, repair: .sequential,
      decisions: ["shots": "\(settings.shots)", "windows for the curvature": "\(windows.count)"])
  }
}

/// The curvature of a network's loss in its output and down projections.
private struct LossCurvature {
  private let network: Subnet<LanguageModel>
  private let damping: Double
  private let inputs: GramStore
  private let norms: [JointNorms]
  private let gradients: [BackwardPass.OutputMoments]

  init(of network: Subnet<LanguageModel>, on windows: TokenWindows, damping: Double) throws {
    (self.network, self.damping) = (network, damping)
    let (store, record) = (
      try GramStore(network.configuration, within: network.memory), ResidualRecord(tokens: windows.tokens.count)
    )
    try record.open(in: network.memory.scratch)
    var norms: [JointNorms] = []
    try StatisticsPass.run(network, on: windows, record: record) { index, statistics in
      try store.store(index, context: statistics.contextGram, hidden: statistics.hiddenGram)
      norms.append(JointNorms(statistics))
    }
    var gradients: [Int: BackwardPass.OutputMoments] = [:]
    try BackwardPass(windows, scratch: network.memory.scratch)
      .run(network, of: .loss, parts: .outputMoments, recorded: [(record, windows.tokens.count)]) { layer in
        gradients[layer.index] = layer.outputMoments
      }
    inputs = store
    self.norms = norms
    self.gradients = network.configuration.layers.indices.compactMap { gradients[$0] }
  }

  private func columns(_ module: LayerPart.Module, _ layer: LayerWeights, _ index: Int) throws -> KroneckerColumns {
    let grams = try inputs.layer(index)
    do {
      return try KroneckerColumns(
        layer[module.output].weight, inputs: module == .attention ? grams.context : grams.hidden, damping: damping)
    } catch { throw ReformationError.layer(index, module: module.rawValue, problem: "\(error)") }
  }

  /// What each unit costs.
  func costs() throws -> [UnitScores] {
    let configuration = network.configuration
    return try configuration.layers.indices.map { index in
      let (layer, moments) = (try network.layer(index), gradients[index])
      let width = configuration.layers[index].queriesPerGroup * configuration.headDimension
      let groups = try columns(.attention, layer, index).costs(gradients: moments.attention, width: width)
      let channels = try columns(.mlp, layer, index).costs(gradients: moments.mlp, width: 1)
      guard (groups + channels).allSatisfy(\.isFinite) else {
        throw ReformationError.layer(index, module: "curvature", problem: "costs are not finite")
      }
      return UnitScores(groups: groups.map { Float($0) }, channels: channels.map { Float($0) })
    }
  }

  /// The network without some units, the other columns updated.
  ///
  /// - Parameter kept: of the network's units.
  func removing(allBut kept: [KeptUnits], of parent: LanguageModel) throws -> Subnet<LanguageModel> {
    let (shapes, dimension) = (network.configuration.layers, network.configuration.headDimension)
    let made = zip(kept, shapes).map { $0.shape(of: $1) }
    let layers = try LayerStore(parent.configuration.with(layers: made), within: parent.memory)
    for (index, shape) in shapes.enumerated() {
      let layer = try network.layer(index)
      var smaller = layer.inherit(kept[index], from: shape, headDimension: dimension)
      norms[index].adjust(&smaller, keeping: kept[index], of: shape)
      for module in LayerPart.Module.allCases {
        let columns = kept[index].inputs(of: module, shape, headDimension: dimension)
        if columns.isEmpty || columns.count == layer[module.output].inputs { continue }
        smaller[module.output].weight = try self.columns(module, layer, index).removing(allBut: columns)
      }
      try layers.store(index, smaller)
    }
    return Subnet(of: parent, layers: made) { try layers.layer($0) }
  }
}

/// The columns of a projection under the curvature `G ⊗ A` of the loss.
struct KroneckerColumns {
  /// Shape `[outputs, inputs]`.
  private let weight: Matrix<Float>
  /// `A⁻¹`, shape `[inputs, inputs]`.
  private let inverse: Matrix<Double>

  /// - Parameters:
  ///   - weight: `W`, shape `[outputs, inputs]`.
  ///   - inputs: `E[a aᵀ]`, shape `[inputs, inputs]`.
  ///   - damping: what `A` gets on its diagonal, as a share of its mean.
  /// - Throws: `LinearAlgebraError.notPositiveDefinite`.
  init(_ weight: Matrix<Float>, inputs: Matrix<Float>, damping: Double) throws(LinearAlgebraError) {
    self.weight = weight
    inverse = inputs.damped(damping)
    if inverse.rows > 0 { try CholeskyFactor.invert(inverse) }
  }

  /// `½·tr( W_Rᵀ G W_R ([A⁻¹]_RR)⁻¹ )` for each run of `width` columns.
  ///
  /// - Parameter gradients: `G`, shape `[outputs, outputs]`.
  func costs(gradients: Matrix<Float>, width: Int) throws -> [Double] {
    if inverse.rows == 0 { return [] }
    let rows = weight.widened().transposed()
    let reached = Matrix<Double>(rows: rows.rows, columns: rows.columns)
    multiply(rows, gradients.widened(), into: reached)
    return try stride(from: 0, to: rows.rows, by: width).map { start in
      let range = start..<start + width
      if width == 1 { return Self.inner(reached.row(start), rows.row(start), rows.columns) / inverse[start, start] / 2 }
      let energy = Matrix<Double>(rows: width, columns: width)
      multiply(reached.rows(range), rows.rows(range), transposingB: true, into: energy)
      let factor = try CholeskyFactor(factorising: inverse.rows(range).columns(range).copy())
      factor.solveLower(energy)
      factor.solveLowerTransposed(energy)
      return (0..<width).reduce(0) { $0 + energy[$1, $1] } / 2
    }
  }

  /// The kept columns after `W ← W − W_R ([A⁻¹]_RR)⁻¹ [A⁻¹]_R·`, shape `[outputs, kept]`.
  ///
  /// - Parameter kept: the columns that stay, at least one fewer than there are.
  func removing(allBut kept: [Int]) throws -> Matrix<Float> {
    let staying = Set(kept)
    let out = (0..<weight.columns).filter { !staying.contains($0) }
    // With [A⁻¹]_RR = F·Fᵀ: F⁻¹·[A⁻¹]_R· and F⁻¹·W_Rᵀ.
    let coupling = inverse.gatherRows(out)
    let factor = try CholeskyFactor(factorising: coupling.gatherColumns(out))
    let rows = weight.widened().transposed()
    let lost = rows.gatherRows(out)
    factor.solveLower(lost)
    let reaching = coupling.gatherColumns(kept)
    factor.solveLower(reaching)
    let result = rows.gatherRows(kept)
    multiply(reaching, lost, transposingA: true, scale: -1, accumulate: 1, into: result)
    return result.transposedNarrowed()
  }

  private static func inner(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
    (0..<count).reduce(0) { $0 + a[$1] * b[$1] }
  }
}

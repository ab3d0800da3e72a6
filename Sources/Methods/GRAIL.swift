import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Subnets
import Workbench

/// GRAIL (arXiv 2602.23795, and its authors' code): any pruner, and then a ridge regression that makes up for what it
/// removed, layer after layer on the pruned network.
///
/// With `P` the kept inputs of an output or down projection, `H` all of them and `G = E[x xᵀ]` taken with the dense layer
/// behind the layers that are pruned and corrected already,
///
///     M = (G_PP + λI)⁻¹ G_PH        W ← W·Mᵀ        λ = ridge · mean diagonal of G_PP
///
/// Both Gram matrices of a layer are from one pass, as in the code, so the MLP's knows nothing of its own layer's attention.
/// The ridge draws toward zero, not toward the weights as they were. `ridge` is 1e-3 in the code by default; its examples
/// take 0. The pruner by default is that of the code, FLAP with one threshold for all layers. Differences: FLAP's biases are
/// left out, because the regression has made up for the means already, and Wanda's score is that of the dense network, where
/// the code takes it on the pruned prefix.
struct GRAIL: PruningMethod {
  let name = "grail"
  let summary = "FLAP's units, or another pruner's; ridge regression on the pruned network, layer after layer"
  let source = "GRAIL, arXiv 2602.23795"
  let gradients: Set<BackwardPass.Scalar> = []

  enum Pruner: String, CaseIterable {
    case flap
    case wandaSP = "wanda-sp"
    case magnitude, random
  }

  struct Settings: MethodSettings {
    var pruner = Pruner.flap
    var ridge = 1e-3
    var step = 1

    static var fields: [SettingField<Self>] {
      [
        .choice("pruner", \.pruner, Pruner.allCases, "units to remove: by FLAP's one threshold, else uniform"),
        .number("ridge", \.ridge, 0...1e6, "λ as a share of the mean diagonal of the kept inputs' Gram matrix"),
        .number("step", \.step, 1...4096, "channels that an MLP loses at a time"),
      ]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    try checkOneMLP(bench.configuration)
    let units = try units(bench, budget: budget, settings)
    // This asks for statistics, which are charged on their own.
    let inherited = try bench.inherited(units)
    let network = try bench.timed(.repair) { try reconstructed(bench, inherited, units, ridge: settings.ridge) }
    return PrunedModel(units: units, network: network, repair: .sequential)
  }

  private func units(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> [KeptUnits] {
    let score: any Importance =
      switch settings.pruner {
      case .flap: FLAP()
      case .wandaSP: WandaSP()
      case .magnitude: Magnitude(.l2)
      case .random: RandomImportance()
      }
    let scores = try bench.scores(score, try bench.statistics())
    let widths =
      settings.pruner == .flap
      ? GlobalThreshold(configuration: bench.configuration, scores: scores, step: settings.step)
        .widths(groupFactor: 1, budget: budget)
      : UniformAllocation(bench.configuration, step: settings.step).widths(budget: budget)
    guard let widths else { throw MethodError.impossible(name, bench, budget: budget) }
    return bench.units(widths, scores)
  }

  /// The subnet with its output and down projections fitted, from the first layer to the last.
  private func reconstructed(
    _ bench: Workbench, _ inherited: Subnet<LanguageModel>, _ units: [KeptUnits], ridge: Double
  ) throws -> Subnet<LanguageModel> {
    let (model, configuration) = (bench.model, bench.configuration)
    let prefix = try PrunedPrefix(of: model, on: bench.windows())
    let layers = try LayerStore(inherited.configuration, within: model.memory)
    for (index, shape) in configuration.layers.enumerated() {
      let dense = try model.layer(index)
      var pruned = try inherited.layer(index)
      let grams = try prefix.grams(of: dense)
      for module in LayerPart.Module.allCases {
        let kept = units[index].inputs(of: module, shape, headDimension: configuration.headDimension)
        if kept.isEmpty || kept.count == dense[module.output].inputs { continue }
        do {
          pruned[module.output].weight = try Self.reconstruction(
            dense[module.output].weight, gram: module == .attention ? grams.context : grams.hidden, keeping: kept,
            ridge: ridge, engine: model.engine)
        } catch {
          throw ReformationError.layer(index, module: module.rawValue, problem: error.description)
        }
      }
      try prefix.run(layer: index, pruned)
      try layers.store(index, pruned)
      try bench.monitor.advance(.init(.repair), index + 1, of: configuration.layerCount)
    }
    return inherited.withLayers { try layers.layer($0) }
  }

  /// `W·Mᵀ`, shape `[outputs, kept]`.
  ///
  /// - Parameters:
  ///   - weight: `W`, shape `[outputs, inputs]`.
  ///   - gram: `G`, shape `[inputs, inputs]`.
  ///   - kept: the inputs that stay.
  ///   - ridge: `λ` as a share of the mean diagonal of the kept inputs' Gram matrix.
  /// - Throws: `ReformationError.singular`, `.notFinite`.
  static func reconstruction(
    _ weight: Matrix<Float>, gram: Matrix<Float>, keeping kept: [Int], ridge: Double,
    engine: any Engine = CPUEngine()
  ) throws(ReformationError) -> Matrix<Float> {
    let rows = gram.gatherRows(kept)
    let factor: any EngineFactor
    do { factor = try engine.factor(rows.gatherColumns(kept).damped(ridge)) } catch {
      throw gram.elements.allSatisfy(\.isFinite) ? .singular(damping: ridge) : .notFinite
    }
    // G_PH·Wᵀ, and from it Ŵᵀ.
    let solution = Matrix<Double>(rows: kept.count, columns: weight.rows)
    multiply(rows.widened(), weight.widened(), transposingB: true, into: solution)
    factor.solveLower(solution)
    factor.solveLowerTransposed(solution)
    return solution.transposedNarrowed()
  }
}

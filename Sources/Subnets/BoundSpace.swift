import LanguageModels
import Search

/// A search space applied to one model: the genes with their bounds, their cost, and the meaning of a genome.
public struct BoundSpace: Sendable {
  public let space: SearchSpace
  public let configuration: ModelConfiguration
  public let design: DesignSpace
  /// Block parameters of a genome.
  public let cost: LinearCost
  /// Choices of the calibration gene.
  public let calibrations: [String]

  /// The name of the calibration choice that takes all sets together.
  public static let mix = "mix"

  /// The name of the statistics of a calibration choice: `wiki`, or `wiki@16` for its first 16 windows.
  public static func statistics(_ calibration: String, samples: Int?) -> String {
    calibration + (samples.map { "@\($0)" } ?? "")
  }

  /// The choices of each gene behind the widths.
  private let choices: [(name: String, values: [String])]

  /// The meaning of a genome.
  public struct Genes: Sendable, Hashable {
    public var widths: [LayerWidths]
    public var score: String
    public var calibration: String
    /// Windows of the calibration; `nil` for all.
    public var samples: Int?
    /// λ of the least squares; `nil` for the search's own.
    public var damping: Double?
    /// Query heads that every kept group keeps; `nil` for all.
    public var queries: Int?
    /// Channels that every kept expert keeps; `nil` for all.
    public var expertChannels: Int?

    public init(
      widths: [LayerWidths], score: String, calibration: String, samples: Int? = nil, damping: Double? = nil,
      queries: Int? = nil, expertChannels: Int? = nil
    ) {
      self.widths = widths
      self.score = score
      self.calibration = calibration
      self.samples = samples
      self.damping = damping
      self.queries = queries
      self.expertChannels = expertChannels
    }

    /// The name of the statistics for score and repair.
    public var statistics: String { BoundSpace.statistics(calibration, samples: samples) }
  }

  /// - Parameter calibrationSets: names of the given sets.
  /// - Throws: `SearchSpaceError.doesNotFit` if the space cannot be applied to the model.
  public init(_ space: SearchSpace, to configuration: ModelConfiguration, calibrationSets: [String]) throws {
    self.space = space
    self.configuration = configuration
    // The mixture of a single set is that set.
    calibrations =
      calibrationSets.count > 1
      ? space.calibrations.flatMap { $0 == .mix ? [Self.mix] : calibrationSets } : calibrationSets
    if space.layers == .shared, !configuration.isUniform {
      throw SearchSpaceError.doesNotFit(
        space: space.name, problem: "layers share one width, but those of the model differ")
    }
    let most = configuration.layers.map(\.queriesPerGroup).max() ?? 1
    if let queries = space.attention.queries, queries >= most {
      throw SearchSpaceError.doesNotFit(
        space: space.name,
        problem: "groups are to keep \(queries) query heads, but those of the model have \(most), and one must go")
    }
    try Self.checkExperts(space, configuration)
    let narrow = configuration.with(expertChannels: space.mlp.expertChannels)
    let layers = space.layers == .shared ? [configuration.layers[0]] : configuration.layers
    let copies = configuration.layerCount / layers.count
    var variables: [Variable] = []
    var weights: [Int] = []
    for (index, shape) in layers.enumerated() {
      let prefix = space.layers == .shared ? "layers" : "layers.\(index)"
      let floors = try Self.floors(space, index: index, count: configuration.layerCount)
      variables.append(
        try Self.variable(
          "\(prefix).attention", segment: index, module: "attention", width: shape.kvHeads, rule: space.attention,
          floors: floors.compactMap(\.attention), space))
      let queries = shape.queries(keeping: space.attention.queries)
      weights.append(copies * configuration.parametersPerKVGroup(queriesPerGroup: queries))
      variables.append(
        try Self.variable(
          "\(prefix).mlp", segment: index, module: "mlp", width: shape.mlpChannels, rule: space.mlp(of: configuration),
          floors: floors.compactMap(\.mlp), space))
      weights.append(copies * narrow.parametersPerMLPChannel)
    }
    choices =
      [("score", space.scores)]
      + [
        ("aggregation", space.aggregations), ("calibration", calibrations),
        ("samples", space.samples.map { "\($0)" }), ("damping", space.damping.map { "\($0)" }),
      ].filter { !$1.isEmpty }
    let aggregated = space.scores.filter(SearchSpace.takesAggregation)
    for (name, values) in choices {
      let condition =
        name == "aggregation" && aggregated.count < space.scores.count
        ? Variable.Condition("score", isOneOf: aggregated) : nil
      variables.append(
        try Variable(
          name: name, domain: .categorical(values), segment: layers.count, module: name, condition: condition))
      weights.append(0)
    }
    design = try DesignSpace(variables)
    cost = LinearCost(base: configuration.layerCount * configuration.fixedParametersPerLayer, weights: weights)
  }

  /// Channels, or experts, that an MLP of this width loses at a time.
  public func step(ofMLP width: Int) -> Int {
    space.mlp(of: configuration).step ?? SearchSpace.WidthRule.automaticStep(width: width)
  }

  /// The model's configuration with other widths.
  public func configuration(_ widths: [LayerWidths]) -> ModelConfiguration {
    let layers = zip(widths, configuration.layers).map { $0.shape(of: $1) }
    return configuration.with(layers: layers).with(expertChannels: space.mlp.expertChannels)
  }

  /// The meaning of a genome of the design space.
  public func genes(_ genome: Genome) -> Genes {
    let widths = (0..<configuration.layerCount).map { index in
      let place = space.layers == .shared ? 0 : 2 * index
      return LayerWidths(groups: genome[place], channels: genome[place + 1], queries: space.attention.queries)
    }
    var chosen: [String: Int] = [:]
    for (choice, value) in zip(choices, genome.suffix(choices.count)) { chosen[choice.name] = value }
    var score = space.scores[chosen["score"] ?? 0]
    if let aggregation = chosen["aggregation"] {
      score = SearchSpace.score(score, aggregation: space.aggregations[aggregation])
    }
    return Genes(
      widths: widths, score: score, calibration: calibrations[chosen["calibration"] ?? 0],
      samples: chosen["samples"].map { space.samples[$0] }, damping: chosen["damping"].map { space.damping[$0] },
      queries: space.attention.queries, expertChannels: space.mlp.expertChannels)
  }

  /// The genome nearest to the given genes. Widths are moved onto the grid; missing samples and damping are the space's
  /// first.
  ///
  /// - Returns: `nil` if a score or another choice is not in the space.
  public func genome(_ genes: Genes) -> Genome? {
    // The score and the aggregation of the name.
    let named = space.scores.flatMap { score in
      SearchSpace.takesAggregation(score)
        ? space.aggregations.map { (score, $0, SearchSpace.score(score, aggregation: $0)) } : []
    }.first { $0.2 == genes.score }
    let wanted = [
      "score": named?.0 ?? genes.score, "aggregation": named?.1, "calibration": genes.calibration,
      "samples": genes.samples.map { "\($0)" },
      "damping": genes.damping.map { "\($0)" },
    ]
    var chosen: [Int] = []
    for (name, values) in choices {
      guard let place = wanted[name].flatMap({ $0 }).map(values.firstIndex(of:)) ?? 0 else { return nil }
      chosen.append(place)
    }
    let layers = space.layers == .shared ? Array(genes.widths.prefix(1)) : genes.widths
    let widths = layers.flatMap { [$0.groups, $0.channels] }
    return zip(design.variables, widths).map { $0.nearest(to: $1) } + chosen
  }

  /// - Throws: `SearchSpaceError.doesNotFit` if experts are to keep channels that they do not have.
  private static func checkExperts(_ space: SearchSpace, _ configuration: ModelConfiguration) throws {
    guard let kept = space.mlp.expertChannels else { return }
    if configuration.block.parts.contains(.expertBias) {
      throw SearchSpaceError.doesNotFit(
        space: space.name,
        problem: "experts are to keep \(kept) channels, but those of the model have biases, which no correction of "
          + "fewer channels knows of")
    }
    guard let experts = configuration.block.experts, kept < experts.channels else {
      throw SearchSpaceError.doesNotFit(
        space: space.name,
        problem: "experts are to keep \(kept) channels, but "
          + (configuration.block.experts.map { "those of the model have \($0.channels), and one must go" }
            ?? "the model has no experts"))
    }
  }

  /// Whether layers may have other widths than each other.
  public var mayDiffer: Bool { space.layers != .shared }

  /// Whether a layer may lose KV groups.
  public var mayLoseHeads: Bool {
    space.attention.queries != nil || design.variables.contains { $0.module == "attention" && $0.levels > 1 }
  }

  /// Allowed widths of a variable, ascending.
  public func widths(of variable: Int) -> [Int] {
    let variable = design.variables[variable]
    return Array(stride(from: variable.lowest, through: variable.highest, by: variable.step))
  }

  private static func floors(_ space: SearchSpace, index: Int, count: Int) throws -> [SearchSpace.Floor] {
    for layer in space.floors.flatMap(\.layers) where layer >= count || layer < -count {
      throw SearchSpaceError.doesNotFit(space: space.name, problem: "a floor names layer \(layer) of \(count)")
    }
    return space.floors.filter { floor in
      space.layers == .shared || floor.layers.contains(index) || floor.layers.contains(index - count)
    }
  }

  /// Widths run from the parent's width down in steps, to the last one that no minimum forbids.
  private static func variable(
    _ name: String, segment: Int, module: String, width: Int, rule: SearchSpace.WidthRule,
    floors: [SearchSpace.Amount], _ space: SearchSpace
  ) throws -> Variable {
    let step = rule.step ?? SearchSpace.WidthRule.automaticStep(width: width)
    // Loaders need an attention in the first layer, and a width for all layers cannot be zero.
    let least = ([rule.minimum] + floors).map { $0.units(of: width) }.max() ?? 1
    let minimum = segment == 0 ? max(1, least) : least
    if width == 0 {
      return try Variable(name: name, domain: .integer(low: 0, high: 0, step: 1), segment: segment, module: module)
    }
    guard minimum <= width else {
      throw SearchSpaceError.doesNotFit(
        space: space.name, problem: "\(name) must keep \(minimum) units but the model has \(width)")
    }
    // Counted down from the parent's width, so that all units are always a choice; aligned if that width is.
    let low = width - (width - minimum) / step * step
    return try Variable(
      name: name, domain: .integer(low: low, high: width, step: step), segment: segment, module: module)
  }
}

extension SearchSpace {
  /// The rule for MLPs. Experts are large, so that they go one by one unless the space says otherwise.
  fileprivate func mlp(of configuration: ModelConfiguration) -> WidthRule {
    var rule = mlp
    if configuration.block.experts != nil, rule.step == nil { rule.step = 1 }
    return rule
  }
}

import LanguageModels

/// How a subnet compares with the dense model on the fitness windows.
public struct Quality: Equatable, Sendable {
  /// Mean Kullback–Leibler divergence from the dense model, nats a token.
  public var divergence: Double
  /// Mean negative log-likelihood, nats a token.
  public var loss: Double
  /// Share of positions whose most likely token is the dense model's, 0…1.
  public var topOneAgreement: Double

  public init(divergence: Double, loss: Double, topOneAgreement: Double) {
    (self.divergence, self.loss, self.topOneAgreement) = (divergence, loss, topOneAgreement)
  }

  public init(_ comparison: Comparison) {
    self.init(
      divergence: comparison.divergence, loss: comparison.perplexity.mean, topOneAgreement: comparison.topOneAgreement)
  }

  /// The dense model beside itself.
  public init(dense perplexity: Perplexity) {
    self.init(divergence: 0, loss: perplexity.mean, topOneAgreement: 1)
  }
}

/// A subnet with what an evaluation found: what objectives are computed from.
public struct EvaluatedSubnet: Sendable {
  public let dense: ModelConfiguration
  /// The dense model's with the widths of the subnet.
  public let configuration: ModelConfiguration
  /// `nil` if only the widths are known.
  public let quality: Quality?
  /// By the names of tasks.
  public let tasks: [String: TaskQuality]

  public init(
    _ configuration: ModelConfiguration, of dense: ModelConfiguration, quality: Quality? = nil,
    tasks: [String: TaskQuality] = [:]
  ) {
    (self.dense, self.configuration, self.quality, self.tasks) = (dense, configuration, quality, tasks)
  }
}

/// Size and objectives of one subnet, or of the dense model, as a study stores them.
public struct SubnetMeasurement: Codable, Equatable, Sendable {
  /// Share of the dense model's block parameters that is left, 0…1.
  public var keepRatio: Double
  public var parametersTotal: Int
  public var parametersBlock: Int
  /// Values by the names of the objectives: of all that could be computed, not only of those that were searched by.
  public var values: [String: Double]
  /// Standard errors of values that are of a sample; `nil` if there are none.
  public var standardErrors: [String: Double]?

  public init(keepRatio: Double, parametersTotal: Int, parametersBlock: Int, values: [String: Double] = [:]) {
    (self.keepRatio, self.parametersTotal, self.parametersBlock, self.values) = (
      keepRatio, parametersTotal, parametersBlock, values
    )
  }

  public init(_ subnet: EvaluatedSubnet, objectives: [any Objective] = ObjectiveRegistry.all) {
    self.init(
      keepRatio: Double(subnet.configuration.blockParameters) / Double(subnet.dense.blockParameters),
      parametersTotal: subnet.configuration.totalParameters, parametersBlock: subnet.configuration.blockParameters)
    for objective in objectives { values[objective.name] = objective.value(of: subnet) }
    let errors = objectives.compactMap { objective in
      objective.standardError(of: subnet).map { (objective.name, $0) }
    }
    if !errors.isEmpty { standardErrors = Dictionary(errors) { first, _ in first } }
  }

  /// The value of an objective; `nil` if it was not measured.
  public subscript(objective: some Objective) -> Double? {
    get { values[objective.name] }
    set { values[objective.name] = newValue }
  }

  /// JSON has no words for numbers that are not finite: they are left out.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(keepRatio, forKey: .keepRatio)
    try container.encode(parametersTotal, forKey: .parametersTotal)
    try container.encode(parametersBlock, forKey: .parametersBlock)
    try container.encode(values.filter { $0.value.isFinite }, forKey: .values)
    try container.encodeIfPresent(standardErrors?.filter { $0.value.isFinite }, forKey: .standardErrors)
  }
}

import Importance
import LanguageModels
import Reformation
import Subnets
import Workbench

/// A published way, or ours, to make a model smaller: a score, an allocation of widths and a repair, with defaults.
///
/// A new method is one file with one conforming type and one line in `MethodRegistry`.
public protocol PruningMethod: Sendable {
  associatedtype Settings: MethodSettings
  /// The name on the command line, such as `llm-pruner`.
  var name: String { get }
  /// One line for listings: score, allocation, repair.
  var summary: String { get }
  var source: String { get }
  /// Whose gradients it needs with any of its settings: backward passes over calibration text.
  var gradients: Set<BackwardPass.Scalar> { get }
  /// Whether all layers of its subnets have one width.
  var keepsOneWidth: Bool { get }
  /// Whether it adds biases to the output projections, which not every container takes.
  func addsOutputBiases(_ settings: Settings) -> Bool
  /// Makes a subnet.
  ///
  /// - Parameter budget: block parameters at most.
  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel
}

extension PruningMethod {
  public var keepsOneWidth: Bool { false }
  public func addsOutputBiases(_ settings: Settings) -> Bool { false }

  /// Whether it adds biases to the output projections.
  ///
  /// - Parameter values: of this method's settings.
  public func addsOutputBiases(_ values: SettingValues) -> Bool { addsOutputBiases(values.settings()) }

  public var settings: [MethodSetting] {
    Settings.fields.map { field in
      MethodSetting(
        name: field.name, initial: field.text(Settings()), expected: field.expected, meaning: field.meaning)
    }
  }

  /// Makes a subnet.
  ///
  /// - Parameters:
  ///   - budget: block parameters at most.
  ///   - values: of this method's settings.
  public func prune(_ bench: Workbench, budget: Int, _ values: SettingValues) throws -> PrunedModel {
    try prune(bench, budget: budget, values.settings())
  }

  /// The best units by their scores, as many as the widths say, with the output projections repaired.
  ///
  /// - Parameter widths: that meet the budget; `nil` where none do.
  /// - Throws: `MethodError.impossible` without widths, before the scores are asked for.
  func pruned(
    _ bench: Workbench, budget: Int, _ widths: [LayerWidths]?, _ scores: @autoclosure () throws -> [UnitScores],
    repair: Repair, decisions: [String: String] = [:]
  ) throws -> PrunedModel {
    guard let widths else { throw MethodError.impossible(name, bench, budget: budget) }
    return try bench.pruned(bench.units(widths, scores()), repair: repair, decisions: decisions)
  }
}

/// What a method hands out.
public struct PrunedModel: Sendable {
  /// Units kept by each layer, ascending.
  public let units: [KeptUnits]
  public let network: Subnet<LanguageModel>
  /// `none`, `bias`, `nested`, `admm` or `sequential`.
  public let repair: Repair
  /// What the method decided on the way, for the record: such as γ, or the trial that was chosen.
  public var decisions: [String: String] = [:]
}

extension Workbench {
  /// The subnet of some units with its output projections repaired, as a method hands it out.
  func pruned(_ units: [KeptUnits], repair: Repair, decisions: [String: String] = [:]) throws -> PrunedModel {
    PrunedModel(
      units: units, network: try subnet(keeping: units, repair: repair), repair: repair, decisions: decisions)
  }
}

/// All methods by name.
public enum MethodRegistry {
  public static let all: [any PruningMethod] = [
    Ours(), OursFast(), SearchLLM(), NumericalMethod(), FLAPMethod(), LLMPrunerMethod(), NIRVANAMethod(), AdaPruner(),
    UniformMethod.llmBIP, UniformMethod.wandaSP, UniformMethod.magnitude, UniformMethod.random, UniformMethod.uniform,
    REAPMethod(), GRAIL(), LLMSurgeon(), MoDeGPT(), Tyr(),
  ]

  /// The name of the method that shows how much of a result is due to repair alone.
  public static let control = UniformMethod.uniform.name

  /// What stands behind the name of a method that a short training follows.
  public static let descentSuffix = "+descent"

  /// The method of a variant such as `ours-fast:repair=none`, without a training behind it.
  public static func baseName(_ label: String) -> String {
    let name = label.firstIndex(of: ":").map { String(label[..<$0]) } ?? label
    return name.hasSuffix(descentSuffix) ? String(name.dropLast(descentSuffix.count)) : name
  }

  /// A method by its name, with or without a training behind it.
  ///
  /// - Throws: `MethodError.unknownMethod`.
  public static func named(_ name: String) throws(MethodError) -> any PruningMethod {
    func descending(_ method: some PruningMethod) -> any PruningMethod { DescendingMethod(base: method) }
    if name.hasSuffix(descentSuffix) { return descending(try named(String(name.dropLast(descentSuffix.count)))) }
    guard let found = all.first(where: { $0.name == name }) else {
      throw .unknownMethod(name: name, known: all.map(\.name))
    }
    return found
  }
}

public enum MethodError: Error, Equatable, CustomStringConvertible {
  case unknownMethod(name: String, known: [String])
  case unknownSetting(method: String, setting: String, known: [String])
  case invalidSetting(method: String, setting: String, value: String, expected: String)
  case notAnAssignment(String)
  case impossibleBudget(method: String, keep: Double, smallest: Double)
  case noExperts(method: String)
  case mixture(method: String)

  public var description: String {
    switch self {
    case .unknownMethod(let name, let known): "unknown method '\(name)' (known: \(known.joined(separator: ", ")))"
    case .unknownSetting(let method, let setting, let known):
      known.isEmpty
        ? "'\(method)' has no settings, and so none called '\(setting)'"
        : "'\(method)' has no setting '\(setting)' (it has: \(known.joined(separator: ", ")))"
    case .invalidSetting(let method, let setting, let value, let expected):
      "setting '\(setting)' of '\(method)' is \(expected), not '\(value)'"
    case .notAnAssignment(let text): "a setting is given as name=value, not '\(text)'"
    case .noExperts(let method): "'\(method)' removes experts, and this model has none"
    case .mixture(let method):
      "'\(method)' removes channels of one MLP, and this model has a mixture of experts"
    case .impossibleBudget(let method, let keep, let smallest):
      "'\(method)' cannot keep as little as \(Self.share(keep, .toNearestOrEven)) of the block parameters: "
        + "\(Self.share(smallest, .up)) is its smallest"
    }
  }

  /// Four decimals of a share at most.
  private static func share(_ value: Double, _ rule: FloatingPointRoundingRule) -> Double {
    (value * 1e4).rounded(rule) / 1e4
  }
}

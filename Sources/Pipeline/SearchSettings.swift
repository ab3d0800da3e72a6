import Calibration
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Subnets
import Workbench

/// Everything that decides what a search finds, as stored with its study (`configuration.json`).
///
/// Two runs with equal settings continue one study. What only decides when to stop (the budget) is no part of it.
public struct SearchSettings: Codable, Equatable, Sendable {
  /// Path of the model as it was given.
  public var model: String
  /// Name of the search space.
  public var space: String
  /// The text of its file, so that a study does not change when the file does.
  public var spaceText: String
  /// Scores that replace those of the space; `nil` for the space's own.
  public var scores: [String]?
  public var target: Target?
  /// Share of the block parameters that the first candidates aim at, too, in a search without a target; `nil` for none.
  public var aim: Double?
  /// Objectives in order, all minimised: `kl` or `perplexity`, and `params`.
  public var objectives: [String]
  /// `self` or paths, as given.
  public var calibration: [String]
  /// Field of the text in JSON lines.
  public var field: String
  public var calibrationWindows: Int
  public var calibrationLength: Int
  public var fitnessWindows: Int
  public var fitnessLength: Int
  /// Calibration windows that gradients are taken on; `nil` for `GradientStore.windows`.
  public var gradientWindows: Int?
  /// What is left out of the sources; `nil` for nothing.
  public var filter: CalibrationFilter?
  /// Sets that each source is dealt out to; `nil` for one.
  public var subsets: Int?
  /// λ of the least squares as a share of the Gram's mean diagonal; `nil` where held-out tokens choose it.
  public var damping: Double?
  /// `ls` or `none`.
  public var repair: String
  /// Metric of the error curves that the first population comes from (`ErrorCurves.Metric`); `nil` for `residual`.
  public var curves: String?
  /// Rungs of growing numbers of fitness windows (`FidelityLadder`); `nil` for one.
  public var rungs: Int?
  /// Who proposes candidates (`SearchOptimizer`); `nil` for evolution.
  public var optimizer: String?
  public var population: Int
  /// In which candidates are evaluated (`Precision`); `nil` for single precision.
  public var precision: String?
  public var seed: UInt64

  /// What a subnet may cost at most. Prints as it is given on the command line.
  public enum Target: Codable, Equatable, Sendable, CustomStringConvertible {
    /// Share of the parent's block parameters.
    case keep(Double)
    /// All parameters, embeddings included.
    case parameters(Int)
    /// Bytes of all weights at two bytes each.
    case memory(Int)

    public var description: String {
      switch self {
      case .keep(let share): "--keep \(share)"
      case .parameters(let count): "--params \(count)"
      case .memory(let bytes): "--memory \(bytes)"
      }
    }
  }

  public init(
    model: String, space: String, spaceText: String, target: Target?, objectives: [String], plan: CalibrationPlan,
    damping: Double?, repair: String, curves: String, rungs: Int = 1, optimizer: SearchOptimizer = .automatic,
    population: Int, precision: Precision = .single
  ) {
    self.model = model
    self.space = space
    self.spaceText = spaceText
    self.target = target
    self.objectives = objectives
    calibration = plan.calibration
    field = plan.field
    calibrationWindows = plan.calibrationWindows
    calibrationLength = plan.calibrationLength
    fitnessWindows = plan.fitnessWindows
    fitnessLength = plan.fitnessLength
    gradientWindows = plan.gradientWindows == GradientStore.windows ? nil : plan.gradientWindows
    filter = plan.filter.isOff ? nil : plan.filter
    subsets = plan.subsets == 1 ? nil : plan.subsets
    self.damping = damping
    self.repair = repair
    self.curves = curves == ErrorCurves.Metric.residualStream.rawValue ? nil : curves
    self.rungs = rungs == 1 ? nil : rungs
    self.optimizer = optimizer == .evolution ? nil : optimizer.rawValue
    self.population = population
    self.precision = precision == .single ? nil : precision.rawValue
    seed = plan.seed
  }

  /// What makes the errors of modules comparable in the curves of the first population.
  public var metric: ErrorCurves.Metric { curves.flatMap(ErrorCurves.Metric.init) ?? .residualStream }

  /// In which candidates are evaluated.
  ///
  /// - Throws: `PipelineError.invalidOption` for one that this version or this processor does not have: results in another
  ///   one would not compare.
  func evaluationPrecision() throws -> Precision {
    guard let precision else { return .single }
    guard let known = Precision(rawValue: precision) else {
      throw PipelineError.invalidOption("unknown precision '\(precision)' (known: f32, bf16)")
    }
    guard known.isSupported else {
      throw PipelineError.invalidOption(
        "candidates of this study are evaluated in \(precision), which this processor cannot (AVX-512 with bfloat16); "
          + "evaluations in f32 would not compare with them")
    }
    return known
  }

  /// The space that the search looks through.
  func searchSpace() throws -> SearchSpace { try SpaceLibrary.parse(spaceText, file: space, scores: scores) }

  /// - Throws: `PipelineError.invalidOption` for one that a search does not have.
  func repairMode() throws -> RepairMode {
    guard let mode = RepairMode(rawValue: repair) else {
      throw PipelineError.invalidOption("unknown repair '\(repair)' (known: none, ls)")
    }
    return mode
  }

  /// Who proposes candidates.
  ///
  /// - Throws: `PipelineError.invalidOption`.
  func searchOptimizer() throws -> SearchOptimizer {
    guard let optimizer else { return .evolution }
    guard let found = SearchOptimizer(rawValue: optimizer) else {
      let known = SearchOptimizer.allCases.map(\.rawValue).joined(separator: ", ")
      throw PipelineError.invalidOption("unknown optimizer '\(optimizer)' (known: \(known))")
    }
    return found
  }

  /// - Throws: `PipelineError.invalidOption` if the settings leave open what the optimiser needs, before anything slow.
  func checkOptimizer() throws {
    let optimizer = try searchOptimizer()
    if target == nil, optimizer.needsTarget {
      throw PipelineError.invalidOption(
        "--optimizer \(optimizer.rawValue) searches one size: give --keep, --params or --memory")
    }
  }

  /// What decides how candidates are found.
  func searchPlan() throws -> SearchPlan {
    var plan = SearchPlan()
    plan.objectives = objectives
    plan.optimizer = try searchOptimizer()
    plan.population = population
    plan.hasRungs = rungs != nil
    plan.aim = aim
    plan.repair = try repairMode()
    plan.curveMetric = metric
    plan.gradientWindows = self.plan.gradientWindows
    plan.precision = try evaluationPrecision()
    plan.seed = seed
    return plan
  }

  /// The windows that the search reads or samples.
  public var plan: CalibrationPlan {
    CalibrationPlan(
      calibration: calibration, field: field, calibrationWindows: calibrationWindows,
      calibrationLength: calibrationLength, fitnessWindows: fitnessWindows, fitnessLength: fitnessLength,
      gradientWindows: gradientWindows ?? GradientStore.windows, seed: seed,
      filter: filter ?? CalibrationFilter(), subsets: subsets ?? 1)
  }

  /// The settings as indented JSON with sorted keys.
  public func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self)
  }

  private static func words(_ number: Double?, else absent: String) -> String { number.map { "\($0)" } ?? absent }

  private static func words(_ scores: [String]?) -> String { scores?.joined(separator: ",") ?? "those of the space" }

  private static func words(_ filter: CalibrationFilter?) -> String { filter?.options.joined(separator: " ") ?? "none" }

  /// The first setting in which another search differs from this one, in words; `nil` if they agree. The model is
  /// compared by fingerprint elsewhere, not by path.
  func difference(to other: SearchSettings) -> String? {
    let pairs: [(String, String, String)] = [
      ("space", space, other.space), ("space file", spaceText, other.spaceText),
      ("scores", Self.words(scores), Self.words(other.scores)),
      ("target", target?.description ?? "none", other.target?.description ?? "none"),
      ("aim", Self.words(aim, else: "none"), Self.words(other.aim, else: "none")),
      ("objectives", objectives.joined(separator: ","), other.objectives.joined(separator: ",")),
      ("calibration", calibration.joined(separator: ","), other.calibration.joined(separator: ",")),
      ("field", field, other.field),
      ("calibration windows", "\(calibrationWindows)", "\(other.calibrationWindows)"),
      ("calibration length", "\(calibrationLength)", "\(other.calibrationLength)"),
      ("calibration filter", Self.words(filter), Self.words(other.filter)),
      ("calibration subsets", "\(subsets ?? 1)", "\(other.subsets ?? 1)"),
      ("fitness windows", "\(fitnessWindows)", "\(other.fitnessWindows)"),
      ("fitness length", "\(fitnessLength)", "\(other.fitnessLength)"),
      ("gradient windows", "\(plan.gradientWindows)", "\(other.plan.gradientWindows)"),
      ("damping", Self.words(damping, else: "auto"), Self.words(other.damping, else: "auto")),
      ("repair", repair, other.repair),
      ("curves", metric.rawValue, other.metric.rawValue), ("rungs", "\(rungs ?? 1)", "\(other.rungs ?? 1)"),
      (
        "optimizer", optimizer ?? SearchOptimizer.evolution.rawValue,
        other.optimizer ?? SearchOptimizer.evolution.rawValue
      ),
      ("population", "\(population)", "\(other.population)"),
      ("precision", precision ?? Precision.single.rawValue, other.precision ?? Precision.single.rawValue),
      ("seed", "\(seed)", "\(other.seed)"),
    ]
    return pairs.first { $0.1 != $0.2 }.map { name, mine, theirs in
      name == "space file" ? "the file of the search space has changed" : "\(name) was \(mine), now \(theirs)"
    }
  }
}

public enum PipelineError: Error, Equatable, CustomStringConvertible {
  case settingsDiffer(study: String, difference: String)
  case invalidOption(String)
  case impossibleTarget(target: String, smallest: String, largest: String)
  case noStudy(path: String)
  case damaged(path: String, problem: String)
  case noPoint(wanted: String, available: String)

  public var description: String {
    switch self {
    case .settingsDiffer(let study, let difference):
      "\(study) was made with other settings: \(difference); choose another --study"
    case .invalidOption(let problem): problem
    case .impossibleTarget(let target, let smallest, let largest):
      "no subnet of this space meets \(target): its block parameters run from \(smallest) to \(largest)"
    case .noStudy(let path): "\(path): no study here (no study.db)"
    case .damaged(let path, let problem): "\(path): \(problem)"
    case .noPoint(let wanted, let available): "no point \(wanted) on the front (\(available))"
    }
  }
}

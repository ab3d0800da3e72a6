import Checkpoints
import Exports
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Studies
import Subnets
import Workbench

extension StudyAddress {
  /// Opens a study that is to be there.
  ///
  /// - Throws: `PipelineError.noStudy`, `StudyError`.
  func opened(access: Study.Access = .inspect) throws -> Study {
    guard try exists() else { throw PipelineError.noStudy(path: "\(self)") }
    return try open(access: access)
  }
}

extension StudyDescription {
  /// Opens the model that the study was made for.
  ///
  /// - Parameter path: of the model, where it is no longer at the place that the study remembers.
  /// - Throws: `PipelineError.damaged` for another model.
  func opened(model path: String?, in context: JobContext) throws -> LanguageModel {
    let opened: LanguageModel
    do {
      opened = try LanguageModel(
        URL(fileURLWithPath: path ?? settings.model), engine: settings.engine.engine, memory: context.memory)
    } catch CheckpointError.unreadable(let place, let reason) where path == nil {
      throw PipelineError.damaged(
        path: place, problem: "\(reason); the study's model was there, --model says where it is now")
    }
    let fingerprint = try opened.fingerprint()
    if fingerprint == model.fingerprint { return opened }
    throw PipelineError.damaged(
      path: opened.location.path,
      problem: "fingerprint \(fingerprint), but the study was made for \(model.fingerprint)")
  }
}

/// A finished or running study with all that is needed to make its subnets again.
struct OpenedStudy {
  let study: Study
  let description: StudyDescription
  let model: LanguageModel
  let calibration: CalibrationFile
  let bound: BoundSpace
  private let settings: SearchSettings
  private let bench: Workbench

  /// Opens the study at an address.
  ///
  /// - Parameters:
  ///   - access: what is to be done with the study.
  ///   - path: of the parent, where it is no longer at the place that the study remembers.
  /// - Throws: `PipelineError.noStudy`, `.damaged`, and what is wrong with model, calibration and statistics.
  init(
    _ address: String, access: Study.Access = .inspect, model path: String?, in context: JobContext,
    _ monitor: Monitor
  ) throws {
    let study = try StudyAddress(address).opened(access: access)
    let description = try StudyDescription(study)
    try self.init(
      study, description, model: description.opened(model: path, in: context), in: context, monitor)
  }

  /// - Parameters:
  ///   - model: of the study.
  ///   - needs: what will be written.
  init(
    _ study: Study, _ description: StudyDescription, model: LanguageModel, needs: [DiskSpace.Need] = [],
    in context: JobContext, _ monitor: Monitor
  ) throws {
    (self.study, self.description, self.model) = (study, description, model)
    settings = description.settings
    let fingerprint = description.model.fingerprint
    calibration = try CalibrationFile(
      of: study, model: fingerprint, vocabulary: model.configuration.vocabularySize)
    bound = try BoundSpace(
      settings.searchSpace(), to: model.configuration, calibrationSets: calibration.sets.map(\.name))
    try study.check(bound.design)
    try context.checkCache(
      fingerprint, bytes: WorkEstimate.disk(model.configuration, sets: calibration.sets.count, outputMoments: 0),
      beside: needs)
    bench = calibration.bench(model, damping: description.damping, in: context, monitor)
  }

  /// An evaluator as a search has it: with the tasks that are objectives.
  func searchingEvaluator(_ monitor: Monitor) throws -> CandidateEvaluator {
    var found = try evaluator()
    let development = try DevelopmentFile.read(study, settings, of: model.configuration)
    found.examiner = try development.map { try DevelopmentExaminer($0, model, monitor) }
    return found
  }

  /// An evaluator with nothing factorised yet, on the fitness windows alone.
  ///
  /// - Parameters:
  ///   - windows: how many of the fitness windows it measures on; `nil` for all.
  ///   - precision: of candidates; `nil` for the study's.
  func evaluator(windows: Int? = nil, precision: Precision? = nil) throws -> CandidateEvaluator {
    try bench.evaluator(
      bound, settings.searchPlan(precision ?? settings.evaluationPrecision()),
      budget: SearchGround.budgeted(bound, settings, model).size(bound), makesCurves: false, windows: windows)
  }

  func windows(_ genes: BoundSpace.Genes) -> TokenWindows {
    bench.windows(of: genes.calibration, samples: genes.samples)
  }
}

import Foundation
import LanguageModels
import Reformation
import Runtime

/// Where a model comes from that is measured or served.
public enum ModelSource: Codable, Equatable, Sendable {
  /// A folder or a file.
  case checkpoint(String)
  /// A point of a study's front, with the weights that an export gives it; the request has no outputs.
  case point(ExportRequest)

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    if case .point(let request) = self { try request.validate() }
  }

  /// For people.
  public var text: String {
    switch self {
    case .checkpoint(let path): path
    case .point(let request): "point \(request.point) of \(request.study)"
    }
  }

  /// Opens the model; a point gets its weights later.
  ///
  /// - Throws: whatever is wrong with checkpoint, study, point or parent.
  func opened(in context: JobContext, _ monitor: Monitor) throws -> OpenedSource {
    try validate()
    switch self {
    case .checkpoint(let path): return OpenedSource(try context.model(path))
    case .point(let request):
      let job = ExportJob(request, in: context)
      return OpenedSource(job, try job.prepare(monitor))
    }
  }
}

/// A model whose source was opened. The weights of a study's point are made when they are first asked for, since that takes long.
final class OpenedSource {
  /// The model; of a point its parent, which has the same tokenizer, vocabulary and context.
  let base: LanguageModel
  private let point: (job: ExportJob, prepared: ExportJob.Prepared)?
  private var made: (network: LanguageModel, repair: Repair)?

  init(_ model: LanguageModel) { (base, point) = (model, nil) }

  fileprivate init(_ job: ExportJob, _ prepared: ExportJob.Prepared) {
    (base, point) = (prepared.opened.model, (job, prepared))
  }

  /// - Parameter monitor: hears of the repair of a point.
  func network(_ monitor: Monitor) throws -> LanguageModel {
    guard let point else { return base }
    if let made { return made.network }
    let found = try point.job.network(point.prepared, monitor)
    made = found
    return found.network
  }

  /// What a point is; `nil` for a checkpoint.
  var identity: PointIdentity? {
    point.map {
      PointIdentity(
        study: $0.prepared.name, index: $0.prepared.point.index, trial: $0.prepared.point.trial, repair: made?.repair)
    }
  }

  /// SHA-256 of the texts that the model was calibrated on, as far as it says.
  var calibrationHashes: [String] {
    if let point { return point.prepared.opened.calibration.sets.compactMap(\.sha256) }
    var record = base.exportRecord
    while let earlier = record?["earlier"] { record = earlier }
    return record?["calibration_sets"]?.array?.compactMap { $0["sha256"]?.string } ?? []
  }
}

/// Which point of a study was measured.
public struct PointIdentity: Sendable, Equatable {
  /// Name of the study.
  public let study: String
  public let index: Int
  /// Number of the trial that measured it.
  public let trial: Int
  /// The repair that its weights carry; `nil` before they are made.
  public let repair: Repair?
}

import ArgumentParser
import Pipeline
import Reformation
import Studies

/// A checkpoint, or a point of a study that is taken without being exported.
struct SourceOptions: ParsableArguments {
  @Option(
    help:
      "A Hugging Face folder or a .gguf file, also one that was exported here; with --study its parent, where it has moved since the search.",
    transform: LocalPath.checked)
  var model: String?
  @Option(
    help: "Take a point of this study as its export would be, without writing it: a folder, or postgresql://…#NAME.")
  var study: String?
  @Option(help: "With --study: best, knee, or the number of a point. Default: \(ExportRequest.standard.point).")
  var point: String?
  @Option(
    help:
      "With --study: correction of the point's weights, as for export. Default: \(ExportRequest.standard.repair.rawValue)."
  )
  var repair: Repair?
  @Option(help: "With --study: folder for calibration statistics.", transform: LocalPath.checked) var cache: String?

  func validate() throws {
    if model == nil, study == nil { throw ValidationError("there is no model: give --model or --study") }
    if let model, study == nil, (try? StudyAddress(model).exists()) ?? false {
      throw ValidationError("\(model) is a study: name it by --study")
    }
    let given = [("--point", point != nil), ("--repair", repair != nil), ("--cache", cache != nil)]
    for (option, isGiven) in given where isGiven && study == nil {
      throw ValidationError("\(option) goes with --study")
    }
    try UsageError.check { try source.validate() }
  }

  var source: ModelSource {
    guard let study else { return .checkpoint(model ?? "") }
    var wanted = ExportRequest(study: study, outputs: [])
    (wanted.point, wanted.repair, wanted.model) = (point ?? wanted.point, repair ?? wanted.repair, model)
    return .point(wanted)
  }
}

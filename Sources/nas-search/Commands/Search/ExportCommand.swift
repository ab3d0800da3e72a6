import ArgumentParser
import Checkpoints
import Exports
import Foundation
import LossRepair
import Pipeline
import Reformation

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a point of the front as a checkpoint that stock loaders open.")

  @Argument(help: "Folder of the study, or postgresql://…#NAME.") var study: String
  @Option(help: "best (within --keep, --params or --size, if given), knee, or the number of a point (see 'report').")
  var point = ExportRequest.standard.point
  @OptionGroup var limit: SizeOptions
  @Option(help: "hf (a Hugging Face folder) or gguf (one file); several with an --output each.")
  var format: [ExportFormat]
  @Option(help: "Folder or file to write.", transform: LocalPath.checked) var output: [String]
  @Option(
    help:
      "Correction of the weights: sequential (layer by layer; shipped if it is better than nested), behind that gauss-newton (steps in the loss itself) or descent (short training); nested (as the search judged it) or none."
  )
  var repair = ExportRequest.standard.repair
  @OptionGroup var vocabulary: VocabularyOptions
  @OptionGroup var records: FieldOption
  @Option(help: "The parent model, where it has moved since the search.", transform: LocalPath.checked) var model:
    String?
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @OptionGroup var weights: WeightOptions
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if output.contains("") { throw ValidationError("--output is empty") }
    if format.count != output.count {
      throw ValidationError("each --format needs an --output: there are \(format.count) and \(output.count)")
    }
    if Set(output.map { URL(fileURLWithPath: $0).standardizedFileURL.path }).count < output.count {
      throw ValidationError("two formats cannot have the same --output")
    }
    try UsageError.check { try request.validate() }
  }

  private var request: ExportRequest {
    var request = ExportRequest(
      study: study,
      outputs: zip(format, output).map {
        CheckpointOutput($1, format: $0, type: weights.dtype, isReplacing: weights.replace)
      })
    (request.point, request.target, request.repair, request.model) = (point, limit.target, repair, model)
    request.vocabulary = vocabulary.request(field: records.field)
    return request
  }

  func run() throws {
    let outcome = try ProgressDisplay.during(
      quiet: json, ExportJob(request, in: plannedMemory.context(cache: cache)).run)
    try Console.print(
      json ? document(outcome).text() : words(outcome),
      kept: "the checkpoint is in \(output.joined(separator: ", "))")
  }

  private func words(_ outcome: ExportJob.Outcome) -> String {
    let measured = outcome.measurement
    let share = (measured.keepRatio * 1000).rounded() / 10
    let divergence = (measured[.kl] ?? .nan).fixed(4)
    return
      ([
        "point \(outcome.point.index): \(share) % of the block parameters, \(measured.parametersTotal) parameters in all, "
          + "\(outcome.repair == .none ? "no" : outcome.repair.rawValue) repair, "
          + "KL \(divergence) on the fitness windows"
          + (outcome.vocabulary == nil ? "" : ", before tokens were dropped")
      ] + (outcome.vocabulary.map { [$0.line] } ?? [])
      + (outcome.steps.isEmpty ? [] : [SequentialReformation.Step.summary(outcome.steps)])
      + LossStepRound.summary(outcome.rounds) + DescentCheck.summary(outcome.checks)
      + zip(output, outcome.exports).map { $1.line($0) }).joined(separator: "\n")
  }

  private func document(_ outcome: ExportJob.Outcome) -> JSONValue {
    let measured = outcome.measurement
    var document: [String: JSONValue] = [
      "schema": "nas-search.export", "version": 1, "point": .integer(outcome.point.index),
      "trial": .integer(outcome.point.trial), "repair": .string(outcome.repair.rawValue),
      "keep_ratio": .number(measured.keepRatio), "kl": .optional(measured[.kl]),
      "perplexity": .optional(measured[.perplexity]),
      "total_parameters": .integer(measured.parametersTotal),
      "sequential_repair": .array(outcome.steps.map(\.record)),
      "checkpoints": .array(zip(output, outcome.exports).map { $1.record($0) }),
    ]
    if !outcome.rounds.isEmpty { document["gauss_newton"] = .array(outcome.rounds.map(\.record)) }
    if !outcome.checks.isEmpty { document["descent"] = .array(outcome.checks.map(\.record)) }
    document["vocabulary"] = outcome.vocabulary?.document
    return .object(document)
  }
}

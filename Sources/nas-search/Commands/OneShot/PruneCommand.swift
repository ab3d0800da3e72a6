import ArgumentParser
import Checkpoints
import Pipeline
import Workbench

struct PruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Make a model smaller by one named method (see 'methods').")

  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "Name of the method.") var method: String
  @OptionGroup var limit: SizeOptions
  @Option(name: .customLong("set"), help: "A setting of the method, such as gamma=3; repeat for several.")
  var settings: [String] = []
  @Option(
    help:
      "Dimensions of each head, an even number: first rotary pairs of queries and keys and directions of values go in all layers alike, then units by the method."
  )
  var headDimension: Int?
  @OptionGroup var text: CalibrationOptions
  @OptionGroup var descent: DescentOption
  @OptionGroup var leastSquares: DampingOption
  @OptionGroup var vocabulary: VocabularyOptions
  @OptionGroup var output: OutputOptions
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    _ = try target
    _ = try plan(within: nil)
  }

  /// - Parameter context: context of the model; `nil` to check the numbers alone.
  private func plan(within context: ContextLimit?) throws -> CalibrationPlan {
    var plan = text.plan(within: context)
    try descent.add(to: &plan, descends: DescentOption.isAsked(for: [method] + settings))
    return plan
  }

  private var target: SizeTarget {
    get throws {
      if let target = limit.target { return target }
      throw ValidationError("give one of --keep, --params, --size and --memory")
    }
  }

  func run() throws {
    var request = PruneRequest(model: model, method: method, target: try target, output: output.checkpoint)
    request.settings = settings
    request.headDimension = headDimension
    request.calibration = try plan(within: try ContextLimit(of: model))
    request.damping = leastSquares.damping
    request.vocabulary = vocabulary.request(field: text.records.field)
    let outcome = try ProgressDisplay.during(
      quiet: json, PruneJob(request, in: plannedMemory.context(cache: cache)).run)
    try Console.print(
      json ? document(outcome).text() : words(outcome), kept: "the checkpoint is in \(output.output)")
  }

  private func words(_ outcome: PruneJob.Outcome) -> String {
    let measured = outcome.measurement
    var lines = [
      "\(method): \((measured.keepRatio * 100).fixed(2)) % of the block parameters, "
        + "\(measured.parametersTotal) parameters in all, repair: \(outcome.pruned.repair.rawValue)"
        + (outcome.damping.map { ", damping \($0)" } ?? ""),
      "on held-out windows: KL \((measured[.kl] ?? .nan).fixed(4)), perplexity "
        + "\((measured[.perplexity] ?? .nan).fixed(2)) (dense \(outcome.densePerplexity.fixed(2)))"
        + (outcome.vocabulary == nil ? "" : ", before tokens were dropped"),
    ]
    if let heads = outcome.heads {
      lines.append(
        "heads: \(heads.dimension) of \(heads.dimensionBefore) dimensions, which alone keep "
          + "\((heads.keepRatio * 100).fixed(2)) % at KL \(heads.divergence.fixed(4))")
    }
    if let vocabulary = outcome.vocabulary { lines.append(vocabulary.line) }
    for (name, value) in outcome.pruned.decisions.sorted(by: { $0.key < $1.key }) { lines.append("\(name): \(value)") }
    let times = Workbench.Stage.allCases.map {
      "\($0.rawValue) \((outcome.seconds[$0] ?? 0).fixed(1)) s"
    }
    let peak = outcome.peakBytes.map { "; peak memory \($0 / 1_048_576) MiB" } ?? ""
    lines.append(times.joined(separator: ", ") + peak)
    lines.append(outcome.export.line(output.output))
    return lines.joined(separator: "\n")
  }

  private func document(_ outcome: PruneJob.Outcome) -> JSONValue {
    let (measured, result) = (outcome.measurement, outcome.export)
    var document: [String: JSONValue] = [
      "schema": "nas-search.prune", "version": 1, "method": .string(method),
      "keep_ratio": .number(measured.keepRatio), "block_parameters": .integer(measured.parametersBlock),
      "total_parameters": .integer(measured.parametersTotal), "kl": .optional(measured[.kl]),
      "perplexity": .optional(measured[.perplexity]),
      "dense_perplexity": .number(outcome.densePerplexity), "repair": .string(outcome.pruned.repair.rawValue),
      "damping": .optional(outcome.damping),
      "decisions": .object(outcome.pruned.decisions.mapValues { .string($0) }),
      "seconds": .object(
        Dictionary(
          uniqueKeysWithValues: Workbench.Stage.allCases.map { ($0.rawValue, .number(outcome.seconds[$0] ?? 0)) })),
      "peak_memory_bytes": .optional(outcome.peakBytes),
      "output": .string(output.output), "architecture": .string(result.architecture), "bytes": .integer(result.bytes),
      "needs_remote_code": .bool(result.needsRemoteCode), "matrices": result.matrices.record,
    ]
    document["heads"] = outcome.heads?.record
    document["vocabulary"] = outcome.vocabulary?.document
    return .object(document)
  }
}

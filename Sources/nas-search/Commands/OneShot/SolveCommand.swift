import ArgumentParser
import Checkpoints
import Exports
import Foundation
import Pipeline

struct SolveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "solve", abstract: "Subnets for any budgets from error curves alone, in seconds, without a search.")
  private static let standard = SolveRequest.standard

  @Option(
    help: "A Hugging Face folder or a .gguf file. With --study: where it has moved since.", transform: LocalPath.checked
  ) var model: String?
  @Option(help: "Folder of a study whose calibration is taken.") var study: String?
  @Option(help: "Shares of the block parameters to keep, separated by commas.") var keep: String?
  @Option(
    help: "Instead: most parameters of the whole model: embeddings, head and norms, too, such as 110M,90M.",
    transform: { try ListArgument($0, ParameterCount.read) })
  var params: ListArgument<ParameterCount>?
  @Option(
    help: "Instead: most bytes of the weights' files, a GGUF file with its tokenizer, such as 200MB,150MB.",
    transform: { try ListArgument($0, ByteCount.read) })
  var size: ListArgument<ByteCount>?
  @Option(
    help: "Instead: most bytes of the weights' files and of the keys and values of --context tokens.",
    transform: { try ListArgument($0, ByteCount.read) })
  var memory: ListArgument<ByteCount>?
  @Option(help: "Tokens whose keys and values --memory counts, in two bytes each.") var context: Int?
  @Option(help: "Scores to choose from, separated by commas; each budget takes the best.") var scores =
    standard.scores.joined(separator: ",")
  @Option(help: "Unit of the error curves: loss (needs gradients), residual or output.") var curveMetric =
    standard.curveMetric
  @Option(help: "Whether the errors of modules add up alone (curves) or with what they have together (quadratic).")
  var allocation = standard.allocation
  @Flag(help: "Let layers, but the first, lose their attention or their MLP altogether, or both.") var dropModules =
    standard.dropsModules
  @Option(
    help:
      "Query heads that every kept KV group keeps: all, or a number; of several, separated by commas, each budget takes the best."
  )
  var queries = "all"
  @OptionGroup var text: CalibrationOptions
  @OptionGroup var gradients: GradientOption
  @OptionGroup var leastSquares: DampingOption
  @OptionGroup var vocabulary: VocabularyOptions
  @Option(
    help: "Folder or .gguf file to write; with several budgets a folder for one each.", transform: LocalPath.checked)
  var output: String?
  @Option(help: "hf or gguf; by default what --output looks like.") var format: ExportFormat?
  @OptionGroup var weights: WeightOptions
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Also measure each subnet on the held-out windows.") var measure = false
  @OptionGroup var evaluation: PrecisionOption
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if output?.isEmpty ?? false { throw ValidationError("--output is empty") }
    if [keep != nil, params != nil, size != nil, memory != nil].count(where: { $0 }) != 1 {
      throw ValidationError("give one of --keep, --params, --size and --memory")
    }
    try SizeOptions.checkPair(memory: memory != nil, context: context != nil)
    try UsageError.check { try request(within: nil).validate() }
  }

  /// - Parameter context: context of the model; `nil` to check the request alone.
  private func request(within context: ContextLimit?) -> SolveRequest {
    var request = SolveRequest(targets: targets)
    (request.model, request.study) = (model, study)
    request.calibration = text.plan(within: context)
    request.calibration.gradientWindows = gradients.gradientWindows
    request.scores = scores.split(separator: ",").map(String.init)
    (request.curveMetric, request.allocation, request.dropsModules) = (curveMetric, allocation, dropModules)
    // A number that is none is one that no model has.
    request.queries = queries.split(separator: ",", omittingEmptySubsequences: false).map {
      $0 == "all" ? nil : Int($0) ?? 0
    }
    request.damping = leastSquares.damping
    request.vocabulary = vocabulary.request(field: text.records.field)
    request.outputs = outputs(request.targets)
    request.measures = measure
    return request
  }

  private var targets: [SizeTarget] {
    if let params { return params.values.map { .parameters($0.value) } }
    if let size { return size.values.map { .size($0.value) } }
    if let memory, let context { return memory.values.map { .memory($0.value, context: context) } }
    return NumberList.numbers(keep ?? "").map { .keep($0) }
  }

  /// Where each budget's checkpoint goes.
  private func outputs(_ targets: [SizeTarget]) -> [CheckpointOutput] {
    guard let output else { return [] }
    let given = CheckpointOutput(output, format: format, type: weights.dtype, isReplacing: weights.replace)
    if targets.count == 1 { return [given] }
    let folder = output.hasSuffix("/") ? output : output + "/"
    return targets.map { target in
      var one = given
      one.path = folder + "\(target.named.option)-\(target.named.text)" + (given.format == .gguf ? ".gguf" : "")
      return one
    }
  }

  func run() throws {
    var request = request(within: study == nil ? try ContextLimit(of: model ?? "") : nil)
    request.precision = evaluation.precision.value
    let outcome = try ProgressDisplay.during(
      quiet: json, SolveJob(request, in: plannedMemory.context(cache: cache)).run)
    try Console.print(
      json ? document(outcome).text() : words(outcome, request.outputs),
      kept: output.map { "the checkpoints are in \($0)" })
  }

  private func words(_ outcome: SolveJob.Outcome, _ outputs: [CheckpointOutput]) -> String {
    let times =
      "error curves in \(outcome.curveSeconds.fixed(1)) s, \(outcome.answers.count) budgets in "
      + "\(outcome.budgetSeconds.fixed(2)) s" + (outcome.damping.map { "; damping \($0) of the mean diagonal" } ?? "")
    return
      ([table(outcome.answers), times] + zip(outputs, outcome.exports).map { $1.line($0.path) })
      .joined(separator: "\n")
  }

  private func table(_ answers: [SolveJob.Answer]) -> String {
    answers.map { answer in
      let groups = answer.widths.map(\.groups)
      let channels = answer.widths.map(\.channels)
      var line =
        "\(String(format: "%6.2f", answer.keepRatio * 100)) % kept of at most "
        + "\(String(format: "%6.2f", answer.keepTarget * 100)) %: predicted error "
        + "\(answer.predictedError.fixed(4)), score \(answer.score), KV groups "
        + "\(groups.min() ?? 0)–\(groups.max() ?? 0), \(answer.mlpUnits) \(channels.min() ?? 0)–\(channels.max() ?? 0)"
      if let queries = answer.widths.first?.queries { line += ", query heads a group \(queries)" }
      if let values = answer.measured {
        line +=
          "; measured KL \(values.kl.fixed(4)), perplexity \(values.perplexity.fixed(2)) "
          + "(dense \(values.densePerplexity.fixed(2)))"
      }
      if let vocabulary = answer.vocabulary { line += "\n        " + vocabulary.line }
      return line
    }.joined(separator: "\n")
  }

  private func document(_ outcome: SolveJob.Outcome) -> JSONValue {
    [
      "schema": "nas-search.solve", "version": 1, "curve_metric": .string(curveMetric.rawValue),
      "damping": .optional(outcome.damping),
      "curve_seconds": .number(outcome.curveSeconds), "budget_seconds": .number(outcome.budgetSeconds),
      "answers": .array(
        outcome.answers.map(document)),
    ]
  }

  private func document(_ answer: SolveJob.Answer) -> JSONValue {
    var document: [String: JSONValue] = [
      "keep_target": .number(answer.keepTarget), "keep_ratio": .number(answer.keepRatio),
      "block_parameters": .integer(answer.parametersBlock), "total_parameters": .integer(answer.parametersTotal),
      "score": .string(answer.score), "predicted_error": .number(answer.predictedError),
      "kv_groups": .array(answer.widths.map { .integer($0.groups) }),
      "mlp_channels": .array(answer.widths.map { .integer($0.channels) }),
      "queries_per_group": .optional(answer.widths.first?.queries),
      "kl": .optional(answer.measured?.kl), "perplexity": .optional(answer.measured?.perplexity),
      "dense_perplexity": .optional(answer.measured?.densePerplexity),
    ]
    document["vocabulary"] = answer.vocabulary?.document
    return .object(document)
  }
}

import Checkpoints
import Evaluation
import Exports
import Foundation
import Methods
import Runtime
import Workbench

/// A model that is to be made smaller by one named method.
public struct PruneRequest: Codable, Equatable, Sendable {
  public var model: String
  public var method: String
  public var target: SizeTarget
  /// Settings of the method, `name=value` each.
  public var settings: [String] = []
  public var calibration = CalibrationPlan()
  /// λ of the least squares as a share of the Gram's mean diagonal; `nil` lets held-out tokens choose it.
  public var damping: Double?
  /// Dimensions of the heads of the model that is pruned; `nil` leaves them as they are.
  public var headDimension: Int?
  /// The tokens that stay in what is written; pruning is with all of them.
  public var vocabulary = VocabularyRequest.whole
  public var output: CheckpointOutput

  public init(model: String, method: String, target: SizeTarget, output: CheckpointOutput) {
    (self.model, self.method, self.target, self.output) = (model, method, target, output)
  }
}

/// Makes a model smaller by a method, measures the subnet and writes it.
public struct PruneJob {
  public struct Outcome {
    public let pruned: PrunedModel
    /// `nil` where heads stay as they are.
    public let heads: NarrowerHeadsOutcome?
    /// `nil` where all tokens stay.
    public let vocabulary: VocabularyOutcome?
    /// Sizes of what was written; the rest on the held-out windows, with all tokens.
    public let measurement: SubnetMeasurement
    public let densePerplexity: Double
    /// Seconds of scoring, searching and repairing.
    public let seconds: [Workbench.Stage: Double]
    /// λ of the least squares as a share of the Gram's mean diagonal; `nil` where the method solved none.
    public let damping: Double?
    /// Most resident memory of the process, in bytes; `nil` where the system does not say.
    public let peakBytes: Int?
    public let export: ExportResult
  }

  /// A method with its settings, and the model that it will be applied to.
  struct Prepared {
    let method: any PruningMethod
    let values: SettingValues
    let opened: OpenedBench
    let target: ExportTarget
    let vocabulary: ChosenVocabulary?
    let budget: SizeBudget
  }

  private let request: PruneRequest
  private let context: JobContext

  public init(_ request: PruneRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Throws: whatever is wrong with the request, before anything slow.
  func prepare(_ monitor: Monitor) throws -> Prepared {
    try request.target.validate()
    let method = try MethodRegistry.named(request.method)
    let values = try SettingValues(of: method, request.settings)
    let (output, sought) = (request.output, request.target)
    let made = try context.model(
      request.model, for: output, request.vocabulary, inputs: request.calibration.files(),
      layersDiffer: !method.keepsOneWidth, addsOutputBiases: method.addsOutputBiases(values), monitor)
    if let dimension = request.headDimension {
      try made.model.configuration.checkNarrowing(to: dimension, output.format, layersDiffer: !method.keepsOneWidth)
    }
    let written = made.model.configuration.written(with: made.vocabulary)
    let budget = try SizeBudget(sought, of: made.model, format: output.format, type: output.type, made.vocabulary)
    _ = try budget.first()
    let opened = try OpenedBench.open(
      made.model, request.calibration, damping: request.damping,
      needs: [made.target.need(parameters: sought.parameters(of: written, as: output.type))], in: context, monitor)
    return Prepared(
      method: method, values: values, opened: opened, target: made.target, vocabulary: made.vocabulary, budget: budget)
  }

  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    let prepared = try prepare(monitor)
    let given = prepared.opened.bench
    let reference = try given.reference()
    given.openAccount()
    let narrower = try request.headDimension.map { try given.narrowingHeads(to: $0) }
    let bench = narrower?.bench ?? given
    let heads = narrower.map { NarrowerHeadsOutcome($0, of: given.configuration) }
    let tell = { (words: String) in monitor.tell(JobWarning(text: words)) }
    let pruned = try prepared.budget.fitted(.few, notice: tell) { budget in
      let budget = min(budget, bench.configuration.blockParameters)
      let pruned = try prepared.method.prune(bench, budget: budget, prepared.values)
      var origin = self.record(prepared, pruned, damping: bench.knownDamping)
      origin.heads = heads
      return SizeBudget.Made(
        subnet: pruned, configuration: pruned.network.configuration.written(with: prepared.vocabulary),
        record: try origin.bytes(in: prepared.target))
    }
    if bench.knownDamping != nil { prepared.opened.warn(monitor) }
    let seconds = narrower == nil ? given.seconds : given.seconds.merging(bench.seconds, uniquingKeysWith: +)
    let network = pruned.network.configuration
    let measurement = SubnetMeasurement(
      network.written(with: prepared.vocabulary), of: given.configuration, try reference.compare(pruned.network))
    let peak = ProcessMemory.lifetimePeak
    var record = record(prepared, pruned, damping: bench.knownDamping)
    record.heads = heads
    record.measured = .init(
      measurement, on: prepared.opened.calibration.judgedOn, densePerplexity: reference.perplexity.value)
    return Outcome(
      pruned: pruned, heads: heads, vocabulary: prepared.vocabulary?.outcome(for: network), measurement: measurement,
      densePerplexity: reference.perplexity.value, seconds: seconds, damping: bench.knownDamping, peakBytes: peak,
      export: try record.export(pruned.network, to: prepared.target))
  }

  private func record(_ prepared: Prepared, _ pruned: PrunedModel, damping: Double?) -> ExportRecord {
    func words(_ values: [String: String]) -> JSONValue { .object(values.mapValues { .string($0) }) }
    let (method, bench) = (prepared.method, prepared.opened.bench)
    var record = ExportRecord(
      toolVersion: context.toolVersion,
      origin: [
        "method": .string(method.name), "source": .string(method.source),
        "settings": words(prepared.values.described), "decisions": words(pruned.decisions),
        "seed": .string("\(request.calibration.seed)"),
      ], parent: bench.model, network: pruned.network.configuration, vocabulary: prepared.vocabulary,
      calibration: prepared.opened.calibration)
    (record.repair, record.damping, record.kept) = (pruned.repair, damping, pruned.units)
    return record
  }
}

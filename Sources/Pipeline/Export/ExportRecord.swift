import Checkpoints
import Evaluation
import Exports
import LanguageModels
import LossRepair
import Reformation
import Subnets

/// What an export says about where it comes from: `nas_search.json` in a folder, `nas_search.record` in a GGUF file.
struct ExportRecord {
  /// What was measured of the subnet that was written.
  struct Measured {
    /// The windows it was measured on, in words.
    var on: String?
    var kl: Double?
    var perplexity: Double?
    var densePerplexity: Double?
    var top1Agreement: Double?
    /// What error curves promise, in their unit.
    var predictedError: Double?
  }

  let toolVersion: String
  /// What only this job knows, such as the method and its settings.
  let origin: [String: JSONValue]
  let parent: LanguageModel
  /// The parent's name if a study knows it by another one than its place has.
  var parentName: String?
  /// Configuration of what is written, with all tokens.
  let network: ModelConfiguration
  /// The tokens that stay; `nil` for all.
  var vocabulary: ChosenVocabulary?
  let calibration: CalibrationFile
  var repair = Repair.none
  /// λ of the least squares as a share of the Gram's mean diagonal.
  var damping: Double?
  var kept: [KeptUnits]?
  /// What became of the heads, if they were made narrower.
  var heads: NarrowerHeadsOutcome?
  /// What the sequential repair did, if it was shipped.
  var steps: [SequentialReformation.Step] = []
  /// What the descent measured, if it was shipped.
  var checks: [DescentCheck] = []
  /// What steps in the loss found, if they were shipped.
  var rounds: [LossStepRound] = []
  var measured = Measured()

  /// Writes a network with this record, and with the tokens of `vocabulary`.
  ///
  /// - Parameter source: model whose tokenizer and other files are written, too; `nil` for the parent.
  func export(
    _ network: some Network, source: LanguageModel? = nil, to target: ExportTarget
  ) throws -> ExportResult {
    var options = target.keeping(vocabulary).options
    if options.type.heedsImportance { options.importanceTokens = calibration.importanceWindows }
    return try Exporter.export(network, parent: source ?? parent, record: json(), to: target.url, options: options)
  }

  /// Bytes that a target's file takes more for this record, and for its name; none for a folder, which has a file for it.
  ///
  /// What will be measured only when the subnet is chosen counts as much as the longest numbers.
  func bytes(in target: ExportTarget?) throws -> Int {
    guard let target, target.options.format == .gguf else { return 0 }
    var known = self
    let long = -0.123_456_789_012_345_67e-100
    known.measured.kl = known.measured.kl ?? long
    known.measured.perplexity = known.measured.perplexity ?? long
    known.measured.densePerplexity = known.measured.densePerplexity ?? long
    known.measured.top1Agreement = known.measured.top1Agreement ?? long
    known.measured.on = known.measured.on ?? calibration.judgedOn
    return try known.json().text(indented: false).utf8.count + target.url.lastPathComponent.utf8.count
  }

  private func json() throws -> JSONValue {
    var record: [String: JSONValue] = [
      "schema": "nas-search.export", "version": 1, "tool_version": .string(toolVersion),
      "parent": try parent.record(named: parentName ?? parent.name), "repair": .string(repair.rawValue),
      "damping": .optional(damping), "calibration_sets": calibration.record,
      "sequential_repair": .array(steps.map(\.record)), "measured": measurement,
    ]
    record["vocabulary"] = vocabulary?.outcome(for: network).record
    if let heads { record["heads"] = heads.record }
    if !rounds.isEmpty { record["gauss_newton"] = .array(rounds.map(\.record)) }
    if !checks.isEmpty { record["descent"] = .array(checks.map(\.record)) }
    if let kept { record["kept"] = .array(kept.map(\.record)) }
    return .object(record.merging(origin) { $1 })
  }

  private var measurement: JSONValue {
    let written = network.written(with: vocabulary)
    var values: [String: JSONValue] = [
      "kl": .optional(measured.kl), "perplexity": .optional(measured.perplexity),
      "dense_perplexity": .optional(measured.densePerplexity), "top1_agreement": .optional(measured.top1Agreement),
      "keep_ratio": .number(parent.configuration.keepRatio(of: written)),
      "block_parameters": .integer(written.blockParameters),
      "total_parameters": .integer(written.totalParameters),
    ]
    if let on = measured.on {
      values["on"] = .string(vocabulary == nil ? on : on + ", before tokens were dropped")
    }
    if let error = measured.predictedError { values["predicted_error"] = .number(error) }
    return .object(values)
  }
}

extension ExportRecord.Measured {
  init(_ subnet: SubnetMeasurement, on windows: String, densePerplexity: Double?) {
    self.init(
      on: windows, kl: subnet[.kl], perplexity: subnet[.perplexity], densePerplexity: densePerplexity,
      top1Agreement: subnet[.topOne])
  }
}

extension LanguageModel {
  /// The checkpoint's name: that of its folder or file.
  var name: String { (checkpoint as? GGUFFile)?.name ?? location.lastPathComponent }

  /// As the record of an export names its parent.
  func record(named name: String) throws -> JSONValue {
    [
      "name": .string(name), "fingerprint": .string(try fingerprint()),
      "block_parameters": .integer(configuration.blockParameters),
      "total_parameters": .integer(configuration.totalParameters),
    ]
  }
}

extension ModelConfiguration {
  /// Bytes that the record of a subnet of these widths takes in a GGUF file, about, before its units are known.
  ///
  /// - Parameter dense: the parent, whose units have numbers.
  func recordBytes(of dense: ModelConfiguration) -> Int {
    // Of what is neither a unit nor of a layer; and of a layer's repair.
    let (beside, each) = (2000, 400)
    func digits(_ count: Int) -> Int { "\(max(0, count - 1))".utf8.count }
    return zip(layers, dense.layers).reduce(beside) { sum, pair in
      let (own, parent) = pair
      return sum + each + own.kvHeads * (digits(parent.kvHeads) + 1)
        + own.mlpChannels * (digits(parent.mlpChannels) + 1)
    }
  }
}

extension KeptUnits {
  var record: JSONValue {
    var record: [String: JSONValue] = [
      "kv_groups": .array(groups.map { .integer($0) }), "mlp_channels": .array(channels.map { .integer($0) }),
    ]
    if let queries { record["query_heads"] = .array(queries.map { .array($0.map { .integer($0) }) }) }
    if let expertChannels {
      record["expert_channels"] = .array(expertChannels.map { .array($0.map { .integer($0) }) })
    }
    return .object(record)
  }
}

extension SequentialReformation.Step {
  /// As records and JSON have it.
  public var record: JSONValue {
    [
      "layer": .integer(layer), "module": .string(module), "damping": .optional(damping),
      "held_out_error": .number(heldOutError),
    ]
  }
}

extension DescentCheck {
  /// As records and JSON have it.
  public var record: JSONValue {
    ["tokens": .integer(tokens), "training_kl": .optional(training), "held_out_kl": .number(heldOut)]
  }
}

extension LossStepRound {
  /// As records and JSON have it.
  public var record: JSONValue {
    [
      "damping": .optional(damping), "predicted_change": .number(predicted), "held_out_kl_before": .number(before),
      "held_out_kl_after": .number(after),
    ]
  }
}

extension CalibrationFile {
  /// The windows that subnets are judged on, in words.
  var judgedOn: String {
    "\(fitness.count) windows of \(fitness.length) tokens of " + sets.map(\.name).joined(separator: ", ")
  }

  /// The windows whose activations say how much rounding errors count: those of the first set.
  var importanceWindows: TokenWindows? {
    guard let windows = sets.first?.windows.calibration, windows.count > 0 else { return nil }
    let most = max(1, Self.importanceTokens / windows.length)
    return TokenWindows(length: windows.length, tokens: Array(windows.tokens.prefix(most * windows.length)))
  }

  /// Means of squares of so many tokens are known to a few per cent.
  static let importanceTokens = 1 << 14

  /// The sets as an export's record names them.
  var record: JSONValue {
    .array(
      sets.map { set in
        [
          "name": .string(set.name), "source": .string(set.source), "sha256": set.sha256.map { .string($0) } ?? .null,
          "windows": .integer(set.windows.calibration.count), "length": .integer(set.calibrationLength),
          "descent_windows": set.furtherTokens == nil ? .null : .integer(set.windows.training.count),
          "seed": set.seed.map { .string("\($0)") } ?? .null,
          "filter": set.filter.map { .string($0.options.joined(separator: " ")) } ?? .null,
          "filtered": set.filtered.map { .string($0.summary) } ?? .null,
        ]
      })
  }
}

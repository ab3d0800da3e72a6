import Checkpoints
import LanguageModels
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
  var origin: [String: JSONValue]
  var parentName: String
  var parentFingerprint: String
  /// Configurations of the parent and of what was written.
  var parent: ModelConfiguration
  var written: ModelConfiguration
  var repair: Repair
  /// λ of the least squares as a share of the Gram's mean diagonal.
  var damping: Double?
  var calibration: CalibrationFile
  var kept: [KeptUnits]?
  /// What the sequential repair did, if it was shipped.
  var steps: [SequentialReformation.Step] = []
  var measured: Measured

  init(
    toolVersion: String, origin: [String: JSONValue], parent: LanguageModel, written: ModelConfiguration,
    repair: Repair, damping: Double? = nil, calibration: CalibrationFile, measured: Measured
  ) throws {
    self.toolVersion = toolVersion
    self.origin = origin
    (parentName, parentFingerprint, self.parent) = (parent.name, try parent.fingerprint(), parent.configuration)
    self.written = written
    self.repair = repair
    self.damping = damping
    self.calibration = calibration
    self.measured = measured
  }

  var json: JSONValue {
    var record: [String: JSONValue] = [
      "schema": "nas-search.export", "version": 1, "tool_version": .string(toolVersion),
      "parent": Self.parent(parentName, parentFingerprint, parent), "repair": .string(repair.rawValue),
      "damping": .optional(damping), "calibration_sets": calibration.record,
      "sequential_repair": .array(steps.map(\.record)), "measured": measurement,
    ]
    if let kept { record["kept"] = .array(kept.map(\.record)) }
    return .object(record.merging(origin) { $1 })
  }

  static func parent(_ name: String, _ fingerprint: String, _ configuration: ModelConfiguration) -> JSONValue {
    [
      "name": .string(name), "fingerprint": .string(fingerprint),
      "block_parameters": .integer(configuration.blockParameters),
      "total_parameters": .integer(configuration.totalParameters),
    ]
  }

  private var measurement: JSONValue {
    var values: [String: JSONValue] = [
      "kl": .optional(measured.kl), "perplexity": .optional(measured.perplexity),
      "dense_perplexity": .optional(measured.densePerplexity), "top1_agreement": .optional(measured.top1Agreement),
      "keep_ratio": .number(parent.keepRatio(of: written)), "block_parameters": .integer(written.blockParameters),
      "total_parameters": .integer(written.totalParameters),
    ]
    if let on = measured.on { values["on"] = .string(on) }
    if let error = measured.predictedError { values["predicted_error"] = .number(error) }
    return .object(values)
  }
}

extension JSONValue {
  /// A number, or `null` if there is none.
  static func optional(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
}

extension KeptUnits {
  /// As an export's record has them.
  var record: JSONValue {
    var record: [String: JSONValue] = [
      "kv_groups": .array(groups.map { .integer($0) }), "mlp_channels": .array(channels.map { .integer($0) }),
    ]
    if let queries { record["query_heads"] = .array(queries.map { .array($0.map { .integer($0) }) }) }
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

extension CalibrationFile {
  /// The windows that subnets are judged on, in words.
  var judgedOn: String {
    "\(fitness.count) windows of \(fitness.length) tokens of " + sets.map(\.name).joined(separator: ", ")
  }

  /// The sets as an export's record names them.
  var record: JSONValue {
    .array(
      sets.map { set in
        [
          "name": .string(set.name), "source": .string(set.source), "sha256": set.sha256.map { .string($0) } ?? .null,
          "windows": .integer(set.windows.calibration.count), "length": .integer(set.calibrationLength),
          "seed": set.seed.map { .string("\($0)") } ?? .null,
          "filter": set.filter.map { .string($0.options.joined(separator: " ")) } ?? .null,
          "filtered": set.filtered.map { .string($0.summary) } ?? .null,
        ]
      })
  }
}

import Checkpoints
import LanguageModels

/// The `README.md` of an exported folder.
struct ModelCard {
  let name: String
  let configuration: ModelConfiguration
  let parent: LanguageModel
  let record: JSONValue
  let type: ElementType
  /// The Python module that has to be loaded; `nil` for none.
  let module: String?

  var text: String {
    let sections = [
      "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- pruned\n- nas-search\n---",
      "# \(name)",
      summary, loading, measured, widths, repair,
      """
      `nas_search.json` records how the model was made. The licence of the parent model holds for this one too.
      """,
    ]
    return sections.compactMap { $0 }.joined(separator: "\n\n") + "\n"
  }

  private var summary: String {
    let parentName = record["parent"]?["name"]?.string ?? parent.location.lastPathComponent
    let before = parent.configuration
    let kept = 100 * Double(configuration.totalParameters) / Double(max(1, before.totalParameters))
    let isPruned = configuration.blockParameters != before.blockParameters
    let made =
      isPruned
      ? "A structurally pruned version of `\(parentName)`, made by nas-search without training: whole groups of "
        + "attention heads and whole \(before.mlpUnits) were removed, layer by layer."
      : "A copy of `\(parentName)`, made by nas-search without training: its decoder layers are the parent's."
    return """
      \(made)\(vocabulary)

      | | parameters | in decoder layers |
      | --- | ---: | ---: |
      | parent | \(grouped(before.totalParameters)) | \(grouped(before.blockParameters)) |
      | this model | \(grouped(configuration.totalParameters)) | \(grouped(configuration.blockParameters)) |

      It keeps \(oneDecimal(kept)) % of the parent's parameters. Weights are stored as \(type.name).
      """
  }

  /// A sentence about the tokens that were dropped.
  private var vocabulary: String {
    let (now, before) = (configuration.vocabularySize, parent.configuration.vocabularySize)
    guard now < before else { return "" }
    var sentence =
      " Its vocabulary holds \(grouped(now)) of the parent's \(grouped(before)) tokens; any other text is spelt "
      + "with these."
    if let saved = record["vocabulary"]?["saved_share"]?.double {
      sentence += " That saved \(oneDecimal(100 * saved)) % of the weights' bytes."
    }
    if let trial = record["vocabulary"]?["held_out"], let text = trial["text"]?.string,
      let before = trial["parent_tokens"],
      let now = trial["tokens"]
    {
      sentence +=
        " \(text.prefix(1).uppercased() + text.dropFirst()) takes \(now.text()) instead of \(before.text()) tokens."
    }
    return sentence
  }

  private var loading: String {
    let trust = module != nil ? ", trust_remote_code=True" : ""
    let reason =
      module.map { module in
        "\n\n\(configuration.isUniform ? "The layers have biases" : "The layers differ in width"), which `transformers` has no "
          + "class for; "
          + "`\(module).py` in this folder builds them from `per_layer_config`."
      } ?? ""
    return """
      ## Loading

      ```python
      from transformers import AutoModelForCausalLM, AutoTokenizer

      tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
      model = AutoModelForCausalLM.from_pretrained("path/to/this/folder"\(trust))
      ```\(reason)
      """
  }

  /// The numbers and strings of the record's member `measured`.
  private var measured: String? {
    let rows = (record["measured"]?.object ?? [:]).sorted { $0.key < $1.key }.compactMap { key, value -> String? in
      switch value {
      case .integer, .number: "| \(key) | \(value.text()) |"
      case .string(let text): "| \(key) | \(text.replacing("|", with: "\\|").replacing("\n", with: " ")) |"
      default: nil
      }
    }
    guard !rows.isEmpty else { return nil }
    return "## Measured\n\n| figure | value |\n| --- | --- |\n" + rows.joined(separator: "\n")
  }

  private var widths: String {
    let header =
      "## Widths\n\n| layer | query heads | KV heads | \(configuration.mlpUnits) |\n| ---: | ---: | ---: | ---: |\n"
    func row(_ label: String, _ shape: LayerShape) -> String {
      "| \(label) | \(shape.queryHeads) | \(shape.kvHeads) | \(shape.mlpChannels) |"
    }
    if configuration.isUniform { return header + row("all \(configuration.layerCount)", configuration.layers[0]) }
    return header + configuration.layers.enumerated().map { row(String($0), $1) }.joined(separator: "\n")
  }

  /// The result of the sequential repair for each projection.
  private var repair: String? {
    let rows = (record["sequential_repair"]?.array ?? []).compactMap { step -> String? in
      guard let layer = step["layer"], let module = step["module"]?.string, let error = step["held_out_error"]?.double
      else { return nil }
      let damping = step["damping"]?.double.map { "\($0)" } ?? "left as it was"
      return "| \(layer.text()) | \(module) | \(damping) | \((error * 1000).rounded() / 1000) |"
    }
    if rows.isEmpty { return nil }
    return """
      ## Repair

      Projections were fitted again by least squares, layer by layer; the damping, or none of it, was chosen by the error on held-out
      windows, relative to before.

      | layer | module | damping | held-out error |
      | ---: | --- | --- | ---: |
      """ + "\n" + rows.joined(separator: "\n")
  }

  /// `1234567` as `1,234,567`.
  private func grouped(_ number: Int) -> String {
    let digits = Array(String(number))
    return digits.enumerated().map { index, digit in
      index > 0 && (digits.count - index) % 3 == 0 ? ",\(digit)" : "\(digit)"
    }.joined()
  }

  private func oneDecimal(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }
}

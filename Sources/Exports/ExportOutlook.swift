import LanguageModels

/// The loaders of a format that take subnets of a model, as far as the model alone tells.
public struct ExportOutlook: Sendable {
  /// A class of transformers or an architecture of llama.cpp, or the rule by which none takes such subnets.
  public enum Answer: Sendable, Equatable {
    case loader(String, needsRemoteCode: Bool)
    case none(rule: String)
  }

  public let format: ExportFormat
  /// Layers that are as wide as each other; `nil` if those of the model are not.
  public let oneWidth: Answer?
  /// The same with fewer heads; `nil` if the model has no heads to spare.
  public let fewerHeads: Answer?
  /// Layers of different widths.
  public let ownWidths: Answer
  /// The hidden size and the size of blocks, if rows of the one are no whole number of the other.
  private var partialBlocks: (hidden: Int, block: Int)?

  public init(_ configuration: ModelConfiguration, _ format: ExportFormat) {
    self.format = format
    func answer(_ layers: [LayerShape]) -> Answer { Self.answer(configuration.with(layers: layers), format) }
    let layers = configuration.layers
    var different = layers
    different[layers.count - 1].mlpChannels += 1
    ownWidths = answer(layers.count > 1 ? different : layers)
    let block = WeightType.q4KM.element.blockSize
    if format == .gguf, case .loader = ownWidths, configuration.hiddenSize % block != 0 {
      partialBlocks = (configuration.hiddenSize, block)
    }
    guard configuration.isUniform else {
      (oneWidth, fewerHeads) = (nil, nil)
      return
    }
    oneWidth = answer(layers)
    let groups = layers[0].kvHeads - 1
    fewerHeads =
      groups < 1
      ? nil
      : answer(
        layers.map { shape in
          var fewer = shape
          (fewer.queryHeads, fewer.kvHeads) = (shape.queriesPerGroup * groups, groups)
          return fewer
        })
  }

  private static func answer(_ configuration: ModelConfiguration, _ format: ExportFormat) -> Answer {
    do {
      switch format {
      case .huggingFace:
        let form = try HuggingFaceForm.choice(for: configuration)
        return .loader(form.architecture, needsRemoteCode: form.module != nil)
      case .gguf: return .loader(try GGUFForm.choice(for: configuration).architecture, needsRemoteCode: false)
      }
    } catch ExportError.notExpressible(_, let rule) {
      return .none(rule: rule)
    } catch {
      return .none(rule: "\(error)")
    }
  }

  /// The answers in sentences.
  public var lines: [String] {
    var lines: [String] = []
    if let oneWidth {
      var line = "\(name), one width for all layers: \(text(oneWidth))"
      if case .loader = oneWidth, let fewerHeads, fewerHeads != oneWidth {
        line += "; with fewer heads: \(text(fewerHeads))"
      }
      lines.append(line)
    }
    lines.append("\(name), a width for each layer: \(text(ownWidths))")
    if let (hidden, block) = partialBlocks {
      let types = WeightType.allCases.filter { $0.element.blockSize == block }.map(\.rawValue)
      lines.append(
        "\(name), \(types.joined(separator: ", ")): rows of \(hidden) values are no whole blocks of \(block) and fall back to "
          + "the types of smaller blocks that llama.cpp takes; so do those of widths that are no multiple of \(block)")
    }
    return lines
  }

  /// The sentence for the start of a search for layers of different widths; `nil` if its subnets can be written.
  public var warning: String? {
    guard case .none(let rule) = ownWidths else { return nil }
    let begin = "subnets with a width for each layer cannot be exported as \(format.title): \(rule)"
    guard case .loader = oneWidth else { return begin }
    return begin + "; --space uniform finds subnets with one width"
  }

  /// The sentence for the start of a search for layers of one width that may lose heads; `nil` if its subnets can be
  /// written.
  public var warningOfFewerHeads: String? {
    guard let fewerHeads, case .none(let rule) = fewerHeads else { return nil }
    let begin = "subnets with fewer heads cannot be exported as \(format.title): \(rule)"
    guard case .loader = oneWidth else { return begin }
    return begin + "; a space with 'attention: {minimum: 1.0}' keeps all heads"
  }

  private var name: String { format == .gguf ? "GGUF" : "Hugging Face" }

  private func text(_ answer: Answer) -> String {
    switch answer {
    case .loader(let name, let needsRemoteCode): name + (needsRemoteCode ? " (with trust_remote_code=True)" : "")
    case .none(let rule): "none, \(rule)"
    }
  }
}

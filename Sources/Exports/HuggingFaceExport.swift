import Checkpoints
import Foundation
import LanguageModels
import Tokenizers

/// A network as a Hugging Face folder, ready to be written.
///
/// Layers that are all alike need only stock classes (unless they have biases that these lack). Otherwise `config.json`
/// carries `per_layer_config`, and the folder the Python module that builds each layer from it.
struct HuggingFaceExport<Exported: Network>: PreparedExport {
  private let form: HuggingFaceForm
  let network: AdaptedNetwork<Exported>
  let tensors: NetworkTensors<AdaptedNetwork<Exported>>
  let hasTokenizer: Bool
  private let files: [String: Data]

  var architecture: String { form.architecture }
  var needsRemoteCode: Bool { form.module != nil }

  init(
    _ network: Exported, parent: LanguageModel, record: JSONValue, name: String, type: WeightType,
    vocabulary: ReducedVocabulary? = nil
  ) throws {
    try type.check(in: .huggingFace)
    let type = type.element
    (form, self.network, tensors) = try Self.stored(network, type)
    let configuration = self.network.configuration
    let tokenizer = try vocabulary?.tokenizer ?? parent.exportableTokenizer()
    hasTokenizer = tokenizer != nil

    var files: [String: Data] = try tokenizer.map { try Self.tokenizerFiles($0) } ?? [:]
    func add(_ name: String, _ value: JSONValue) { files[name] = Data((value.text() + "\n").utf8) }
    add(
      "config.json",
      HuggingFaceConfiguration.config(configuration, parent: parent.configuration, form: form, type: type))
    let generation = try parent.generationConfig().map { config in
      vocabulary.map { GenerationTokens.mapped(config, $0.kept) } ?? config
    }
    add("generation_config.json", generation ?? HuggingFaceConfiguration.generationConfig(configuration))
    add(OwnExport.recordFile, record)
    if let module = form.module { files["\(module.name).py"] = Data(module.source) }
    let card = ModelCard(
      name: name, configuration: configuration, parent: parent, record: record, type: type,
      module: form.module?.name)
    files["README.md"] = Data(card.text.utf8)
    self.files = files
  }

  /// The network and its tensors as the folder will hold them.
  static func stored(
    _ network: Exported, _ type: ElementType
  ) throws -> (HuggingFaceForm, AdaptedNetwork<Exported>, NetworkTensors<AdaptedNetwork<Exported>>) {
    let form = try HuggingFaceForm.choice(for: AdaptedNetwork(network, network.configuration).configuration)
    let stored = AdaptedNetwork(network, form.completed(network.configuration))
    let tensors = NetworkTensors(
      stored, names: .huggingFace(stored.configuration.family), matrixType: { _, _ in type },
      vectorType: type, layout: TensorLayout(form, stored.configuration))
    return (form, stored, tensors)
  }

  /// Writes all files into an empty folder, the weights layer by layer.
  func write(to folder: URL) throws {
    for (name, data) in files.sorted(by: { $0.key < $1.key }) {
      try AtomicFile.write(data, to: folder.appendingPathComponent(name))
    }
    try SafetensorsWriter.write(tensors.plans, toDirectory: folder, supply: tensors.supply)
  }

  /// The tokenizer's files, with `PreTrainedTokenizerFast` as its class: this class uses `tokenizer.json` as it is.
  /// transformers 5 rebuilds the tokenizers of other classes by rules of its own.
  private static func tokenizerFiles(_ tokenizer: Tokenizer) throws -> [String: Data] {
    let name = "tokenizer_config.json"
    var files = try tokenizer.huggingFaceFiles()
    var members: [String: JSONValue] = [:]
    if let data = files[name] {
      members = try data.withUnsafeBytes { try JSONValue.parse($0, file: name, dialect: .python) }.object ?? [:]
    }
    members["tokenizer_class"] = "PreTrainedTokenizerFast"
    members["auto_map"] = nil  // It would name code that is not here.
    files[name] = Data((JSONValue.object(members).text() + "\n").utf8)
    return files
  }
}

extension LanguageModel {
  /// The content of `generation_config.json`; nil if there is none.
  func generationConfig() throws -> JSONValue? {
    let url = location.appendingPathComponent("generation_config.json")
    guard !isGGUF, FileManager.default.fileExists(atPath: url.path) else { return nil }
    let value = try JSONValue.read(url, dialect: .python)
    guard value.object != nil else {
      throw ExportError.invalidGenerationConfig(path: url.path, problem: "it holds \(value.summary), not an object")
    }
    return value
  }

  /// The tokenizer; nil if the checkpoint has none.
  ///
  /// - Throws: `TokenizerError` and `ModelError` for one that exists but cannot be used.
  func exportableTokenizer() throws -> Tokenizer? {
    if let file = checkpoint as? GGUFFile {
      let model = try file.stringIfPresent("tokenizer.ggml.model")
      guard let model, !GGUFVocabulary.modelsWithoutTokens.contains(model) else { return nil }
    } else {
      let path = location.appendingPathComponent("tokenizer.json").path
      guard FileManager.default.fileExists(atPath: path) else {
        let other = location.appendingPathComponent("tokenizer.model").path
        if FileManager.default.fileExists(atPath: other) {
          Notices.tell("\(other) is not read, and there is no tokenizer.json: what is written has no tokenizer")
        }
        return nil
      }
    }
    return try tokenizer()
  }
}

import Checkpoints
import Foundation
import LanguageModels
import Runtime

/// The file formats of an export.
public enum ExportFormat: String, Codable, CaseIterable, Sendable {
  /// A Hugging Face folder: `config.json`, safetensors, tokenizer.
  case huggingFace = "hf"
  /// One GGUF file for llama.cpp.
  case gguf

  var title: String {
    switch self {
    case .huggingFace: "a Hugging Face folder"
    case .gguf: "GGUF"
    }
  }
}

/// The options of an export.
public struct ExportOptions {
  public var format: ExportFormat
  /// Type of the weights. In GGUF, norms, biases and rope divisors are always F32, as llama.cpp requires.
  public var type: WeightType
  /// Windows, of all tokens, whose activations say how much rounding errors of a quantisation count; nil for as much as
  /// values are large.
  public var importanceTokens: TokenWindows?
  /// Whether an earlier export at the destination may be replaced. Other content never is.
  public var replacing: Bool
  /// Windows on which the logits of the export are compared with the network's; nil stands for one window of 64
  /// pseudo-random tokens (fewer where the context is shorter).
  public var verificationTokens: TokenWindows?
  /// The model's name in the model card and in `general.name`; nil stands for the destination's name.
  public var name: String?
  /// The tokens that stay, of the parent's; nil for all. `verificationTokens` then have the new ids.
  public var vocabulary: ReducedVocabulary?
  /// Hears which layer is written or compared next.
  public var monitor: Monitor

  public init(
    format: ExportFormat, type: WeightType = .f16, replacing: Bool = false, verificationTokens: TokenWindows? = nil,
    name: String? = nil, monitor: Monitor = .silent
  ) {
    self.format = format
    self.type = type
    self.replacing = replacing
    self.verificationTokens = verificationTokens
    self.name = name
    self.monitor = monitor
  }
}

/// A record of what an export wrote.
public struct ExportResult: Sendable, Equatable {
  /// The folder or file.
  public let location: URL
  /// The name for loaders: an entry of `architectures` in `config.json`, or `general.architecture`.
  public let architecture: String
  /// Whether `transformers` needs `trust_remote_code` to load it.
  public let needsRemoteCode: Bool
  /// Whether the parent had a tokenizer to copy.
  public let hasTokenizer: Bool
  /// Size of all files together, in bytes.
  public let bytes: Int
  /// How the matrices are stored.
  public let matrices: MatrixCounts
  public let verification: Verification
}

/// A network in the terms of a format, ready to be written.
protocol PreparedExport {
  associatedtype Exported: Network
  /// The network that is written.
  var network: AdaptedNetwork<Exported> { get }
  var tensors: NetworkTensors<AdaptedNetwork<Exported>> { get }
  var architecture: String { get }
  var needsRemoteCode: Bool { get }
  var hasTokenizer: Bool { get }
  func write(to url: URL) throws
}

/// Writes networks as checkpoints that stock loaders open, and proves each one by reading it back.
public enum Exporter {
  /// Writes a network, dense or subnet, with layers of any widths, and the parent's tokenizer. Layers that have neither
  /// attention nor MLP are left out.
  ///
  /// The export is built under a temporary name beside its place, opened again with `LanguageModel`, compared tensor by
  /// tensor and logit by logit, and only then renamed into place. Weights are asked for layer by layer, twice.
  ///
  /// - Parameters:
  ///   - parent: gives the tokenizer and `generation_config.json`. A parent without a tokenizer gives an export
  ///     without.
  ///   - record: origin of the network. It becomes `nas_search.json` in a folder, and the string
  ///     `nas_search.record` in GGUF. The model card names `parent.name` and tabulates the values of `measured`.
  ///   - url: the folder or file to write; missing folders above it are created.
  /// - Throws: `ExportError`, `CheckpointError` (unwritable places, values too large for the type), `TokenizerError`,
  ///   and what the network throws. Whatever is thrown, the destination is as it was and nothing else is left.
  @discardableResult
  public static func export(
    _ network: some Network, parent: LanguageModel, record: JSONValue, to url: URL, options: ExportOptions
  ) throws -> ExportResult {
    try options.type.check(in: options.format)
    // Tokens that go have no part in what rounding does to the layers.
    let importance = { () throws -> InputImportance? in
      guard options.type.heedsImportance, let windows = options.importanceTokens else { return nil }
      return try InputImportance(of: network, on: windows, monitor: options.monitor)
    }
    if let kept = options.vocabulary?.kept {
      return try write(ReducedNetwork(network, kept), parent: parent, record: record, to: url, options, importance)
    }
    return try write(network, parent: parent, record: record, to: url, options, importance)
  }

  private static func write(
    _ network: some Network, parent: LanguageModel, record: JSONValue, to url: URL, _ options: ExportOptions,
    _ importance: () throws -> InputImportance?
  ) throws -> ExportResult {
    let destination = try destination(url, options)
    try destination.keepClear(of: parent.location)
    try destination.check()
    let tokens = try verificationTokens(options, network.configuration)
    let name = options.name ?? (options.format == .gguf ? url.deletingPathExtension() : url).lastPathComponent
    func written(_ export: some PreparedExport) throws -> ExportResult {
      let (bytes, verification) = try destination.build { temporary in
        export.tensors.monitor = options.monitor
        export.tensors.importance = try importance()?.keeping(export.network.numbers)
        try export.write(to: temporary)
        let verification = try Verification(
          of: temporary, as: url, export.network, export.tensors, tokens, monitor: options.monitor)
        return (try size(of: temporary), verification)
      }
      return ExportResult(
        location: url, architecture: export.architecture, needsRemoteCode: export.needsRemoteCode,
        hasTokenizer: export.hasTokenizer, bytes: bytes, matrices: MatrixCounts(export.tensors.plans, options.type),
        verification: verification)
    }
    switch options.format {
    case .huggingFace:
      return try written(
        HuggingFaceExport(
          network, parent: parent, record: record, name: name, type: options.type, vocabulary: options.vocabulary))
    case .gguf:
      return try written(
        GGUFExport(
          network, parent: parent, record: record, name: name, type: options.type, vocabulary: options.vocabulary))
    }
  }

  /// Checks before long work that subnets of a model can be written in a format, as far as the model alone tells.
  ///
  /// - Throws: the errors of `export` before it writes anything.
  static func check(
    _ parent: LanguageModel, _ format: ExportFormat, layersDiffer: Bool, addsOutputBiases: Bool = false
  ) throws {
    let subnet = parent.configuration
    switch format {
    case .huggingFace: _ = try HuggingFaceExport(parent, parent: parent, record: [:], name: "", type: .f32)
    case .gguf: _ = try GGUFExport(parent, parent: parent, record: [:], name: "", type: .f32)
    }
    try check(subnet, format, layersDiffer: layersDiffer)
    if !addsOutputBiases { return }
    do {
      try check(subnet.addingOutputBiases, format, layersDiffer: layersDiffer)
    } catch ExportError.notExpressible(let format, let rule) {
      throw ExportError.notExpressible(format: format, rule: rule + "; the biases are those that the repair adds")
    }
  }

  /// Checks that a loader of a format takes networks of a shape.
  ///
  /// - Parameter layersDiffer: whether their layers may have different widths.
  /// - Throws: `ExportError.notExpressible`.
  public static func check(
    _ configuration: ModelConfiguration, _ format: ExportFormat, layersDiffer: Bool
  ) throws {
    var network = configuration
    if layersDiffer { network.layers[network.layerCount - 1].mlpChannels += 1 }
    switch format {
    case .huggingFace: _ = try HuggingFaceForm.choice(for: network)
    case .gguf: _ = try GGUFForm.choice(for: network)
    }
  }

  private static func verificationTokens(
    _ options: ExportOptions, _ configuration: ModelConfiguration
  ) throws -> TokenWindows {
    let vocabulary = configuration.vocabularySize
    guard let windows = options.verificationTokens else {
      // Any fixed sequence will do; Knuth's 64-bit linear congruence gives one.
      var state: UInt64 = 0x6e61_735f_7365_6172
      let tokens = (0..<min(64, max(1, configuration.contextLength))).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int32((state >> 33) % UInt64(vocabulary))
      }
      return TokenWindows([tokens])
    }
    guard !windows.tokens.isEmpty else { throw ExportError.invalidTokens(problem: "there are none") }
    if let token = windows.tokens.first(where: { $0 < 0 || $0 >= vocabulary }) {
      throw ExportError.invalidTokens(problem: "\(token) is outside the vocabulary of \(vocabulary)")
    }
    return windows
  }

  /// Bytes of a file, or of the files in a folder.
  private static func size(of url: URL) throws -> Int {
    let manager = FileManager.default
    var isDirectory: ObjCBool = false
    guard manager.fileExists(atPath: url.path, isDirectory: &isDirectory), isDirectory.boolValue else {
      return (try manager.attributesOfItem(atPath: url.path)[.size] as? Int) ?? 0
    }
    return try manager.contentsOfDirectory(atPath: url.path).reduce(0) {
      $0 + ((try manager.attributesOfItem(atPath: url.appendingPathComponent($1).path)[.size] as? Int) ?? 0)
    }
  }
}

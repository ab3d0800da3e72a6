import Checkpoints
import Dispatch
import Foundation
import LinearAlgebra
import Runtime
import Synchronization
import Tokenizers

/// A checkpoint opened for computation: a Hugging Face folder or a GGUF file.
///
/// Weights stay mapped in the file's type; a layer is widened to single precision when first used, and kept if all
/// layers fit into `MemoryPlan.layers`; else the disk reads the next one meanwhile. Shapes and values are checked on the
/// way: a wrong shape or a NaN is an error that names the tensor.
public final class LanguageModel: Network {
  public let location: URL
  public let configuration: ModelConfiguration
  public let embedding: Matrix<Float>
  public let finalNorm: [Float]
  public let head: Matrix<Float>
  public let engine: any Engine
  public let memory: MemoryPlan
  private let reader: WeightReader
  private let layers: Mutex<[LayerWeights?]>
  /// The layer that was read last.
  private let last = Mutex(-1)
  private let keepsLayers: Bool
  /// What makes the layers of a model that differs from its checkpoint.
  private let makeLayer: (@Sendable (Int) throws -> LayerWeights)?

  /// A model with the layers of another shape in place of a model's own: embedding, norm, head, tokenizer and
  /// `checkpoint` stay, and so does what `fingerprint()` says of the checkpoint's tensors.
  ///
  /// - Parameters:
  ///   - configuration: what the layers belong to.
  ///   - finalNorm: gains of another final norm; `nil` for the model's own.
  ///   - layer: the weights of layer `index`; called whenever they are asked for.
  public init(
    _ model: LanguageModel, configuration: ModelConfiguration, finalNorm: [Float]? = nil,
    layer: @escaping @Sendable (_ index: Int) throws -> LayerWeights
  ) {
    (location, engine, memory, reader) = (model.location, model.engine, model.memory, model.reader)
    (embedding, head) = (model.embedding, model.head)
    self.finalNorm = finalNorm ?? model.finalNorm
    self.configuration = configuration
    layers = Mutex([])
    keepsLayers = false
    makeLayer = layer
  }

  /// - Parameters:
  ///   - engine: engine that computes the model, and every subnet of it.
  ///   - memory: what the model, and all work on it, may hold.
  ///   - keepingLayers: whether widened layers are kept; `nil` decides by the memory plan.
  ///   - families: those that the model may be of.
  /// - Throws: `ModelError` and `CheckpointError`.
  public init(
    _ location: URL, engine: any Engine = CPUEngine(), memory: MemoryPlan = MemoryPlan(), keepingLayers: Bool? = nil,
    families: [Family] = Family.all
  ) throws {
    self.location = location
    self.engine = engine
    self.memory = memory
    if try ModelFolder.isFile(location) {
      let stored = try GGUFFile(location)
      let configuration = try ModelConfiguration(gguf: stored, families: families)
      let file = try stored.separatingProjections(configuration)
      let names = TensorNames.gguf(configuration.family)
      try GGUFTensorAccount.check(file: file, configuration: configuration, names: names)
      reader = WeightReader(checkpoint: file, names: names, configuration: configuration)
    } else {
      reader = try HuggingFaceModel(location, families: families).reader
    }
    configuration = reader.configuration
    try reader.checkShapes()
    let names = reader.names
    let (vocabulary, hidden) = (configuration.vocabularySize, configuration.hiddenSize)
    embedding = try reader.embedding()
    head =
      configuration.tiedEmbeddings ? embedding : try reader.matrix(names.head, rows: vocabulary, columns: hidden)
    finalNorm = try reader.finalNorm()
    layers = Mutex(Array(repeating: nil, count: configuration.layerCount))
    let bytes = configuration.blockParameters * MemoryLayout<Float>.size
    keepsLayers = keepingLayers ?? (bytes < memory.layers)
    makeLayer = nil
  }

  public func layer(_ index: Int) throws -> LayerWeights {
    if let makeLayer { return try makeLayer(index) }
    if let known = layers.withLock({ $0[index] }) { return known }
    if !keepsLayers { prefetch(after: index) }
    let weights = try reader.layer(index)
    if keepsLayers { layers.withLock { $0[index] = weights } }
    return weights
  }

  /// Has the disk read the layer that is likely to come after one, forwards or backwards.
  private func prefetch(after index: Int) {
    let previous = last.withLock { last in
      defer { last = index }
      return last
    }
    let next = index + (index < previous ? -1 : 1)
    guard index != previous, configuration.layers.indices.contains(next) else { return }
    DispatchQueue.global(qos: .utility).async { [reader] in reader.prefetch(next) }
  }

  /// The tensors behind the model, for those who copy or hash them.
  public var checkpoint: any Checkpoint { reader.checkpoint }

  /// The names of its tensors.
  public var tensorNames: TensorNames { reader.names }

  /// Whether the model was read from a GGUF file.
  public var isGGUF: Bool { checkpoint is GGUFFile }

  /// The tokenizer that came with the checkpoint. It may know tokens for which the embedding has no row: see `checked`.
  ///
  /// - Throws: `TokenizerError` where there is none or it is of an unknown kind.
  public func tokenizer() throws -> Tokenizer {
    guard let file = checkpoint as? GGUFFile else { return try Tokenizer(directory: location) }
    return try Tokenizer(gguf: GGUFVocabulary(file), file: location.path)
  }

  /// The tokens of a text, where the embedding has a row for every one.
  ///
  /// - Parameter text: what the tokens are the text of, for the error.
  /// - Throws: `ModelError.tokenWithoutRow`.
  public func checked(_ tokens: [Int32], of text: String, _ tokenizer: Tokenizer) throws -> [Int32] {
    let rows = configuration.vocabularySize
    // Most tokenizers have no token without a row.
    let highest = max(tokenizer.vocabularySize, Int(tokenizer.prefix.max() ?? 0) + 1)
    guard highest > rows, let id = tokens.first(where: { Int($0) >= rows }) else { return tokens }
    throw ModelError.tokenWithoutRow(text: text, token: tokenizer.token(for: id) ?? "", id: Int(id), rows: rows)
  }
}

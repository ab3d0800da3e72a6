import Checkpoints
import LanguageModels
import LinearAlgebra
import Runtime

/// The bytes of the files that hold the weights of a model's subnets, before any is written: tensors as they are stored,
/// and their descriptions. A GGUF file holds the tokenizer and the record of how the subnet was made, too; a folder has other
/// files for that.
public struct ShippedSize {
  private let parent: LanguageModel
  public let format: ExportFormat
  public let type: WeightType
  /// Bytes that do not depend on the widths.
  private let fixed: Int

  /// - Parameter vocabulary: the tokens that stay; `nil` for all.
  /// - Throws: `ExportError` for a model that the format cannot hold.
  public init(
    _ parent: LanguageModel, format: ExportFormat, type: WeightType, vocabulary: ReducedVocabulary? = nil
  ) throws {
    (self.parent, self.format, self.type) = (parent, format, type)
    let configuration = vocabulary.map { parent.configuration.keeping($0.kept) } ?? parent.configuration
    let network = Outline(parent: parent, configuration: configuration)
    try type.check(in: format)
    fixed =
      format == .huggingFace
      ? 0
      : try GGUFExport(
        network, parent: parent, record: [:], name: "", type: type, vocabulary: vocabulary
      ).bytesOfOtherMetadata
  }

  /// - Parameters:
  ///   - configuration: configuration of the subnet, with the tokens that stay.
  ///   - record: bytes of the subnet's record and of its name, which a GGUF file holds.
  /// - Throws: `ExportError` for a network that the format cannot hold.
  public func bytes(of configuration: ModelConfiguration, record: Int = 0) throws -> Int {
    let network = Outline(parent: parent, configuration: configuration)
    switch format {
    case .huggingFace:
      let (_, _, tensors) = try HuggingFaceExport.stored(network, type.element)
      return fixed + SafetensorsWriter.bytes(of: tensors.plans)
    case .gguf:
      let (form, stored, tensors) = try GGUFExport.stored(network, type)
      return fixed + GGUFExport<Outline>.bytesOfModel(stored.configuration, form) + record
        + GGUFWriter.bytes(of: tensors.plans)
    }
  }
}

/// The shape of a network without its weights.
private struct Outline: Network {
  let parent: LanguageModel
  let configuration: ModelConfiguration

  var embedding: Matrix<Float> { parent.embedding }
  var finalNorm: [Float] { parent.finalNorm }
  var head: Matrix<Float> { parent.head }
  var engine: any Engine { parent.engine }
  var memory: MemoryPlan { parent.memory }

  func layer(_ index: Int) throws -> LayerWeights {
    throw CheckpointError.invalidPlan(file: "the outline of a network", problem: "layer \(index) has no weights")
  }
}

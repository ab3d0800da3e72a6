import Checkpoints
import Foundation

/// A Hugging Face folder, opened: what its configuration says, set right by what is stored.
struct HuggingFaceModel {
  let reader: WeightReader

  /// - Throws: `ModelError` and `CheckpointError`.
  init(_ folder: URL, families: [Family]) throws {
    let config = try HuggingFaceConfig(directory: folder)
    let encoding = try WeightEncoding(huggingFace: config, folder: folder)
    var configuration = try ModelConfiguration(huggingFace: config, families: families)
    if encoding == .mxfp4, !(configuration.family.experts?.joinsGateAndUp ?? false) {
      throw ModelError.quantised(file: config.file, form: "MXFP4", advice: WeightEncoding.original)
    }
    var checkpoint = SeparatedCheckpoint(try SafetensorsCheckpoint(directory: folder))
    var names = TensorNames.huggingFace(configuration.family, in: checkpoint)
    try checkpoint.separate(configuration, names)
    try Self.settleHead(&configuration, &names, checkpoint, config)
    try TensorAccount(checkpoint: checkpoint, names: names, configuration: configuration, encoding: encoding).check()
    reader = WeightReader(checkpoint: checkpoint, names: names, configuration: configuration, encoding: encoding)
  }

  /// Decides on the output head where `tie_word_embeddings` and the stored tensors disagree, as transformers 5 does: a head of its
  /// own holds; of a tied pair the one that is stored stands for both.
  private static func settleHead(
    _ configuration: inout ModelConfiguration, _ names: inout TensorNames, _ checkpoint: some Checkpoint,
    _ config: HuggingFaceConfig
  ) throws {
    let flag = "tie_word_embeddings"
    let (hasEmbedding, hasHead) = (checkpoint.contains(names.embedding), checkpoint.contains(names.head))
    guard configuration.tiedEmbeddings else {
      if hasEmbedding, !hasHead {
        let said = config.contains(flag) ? "is false" : "is missing, which stands for false"
        throw ModelError.invalidConfiguration(
          file: config.file, problem: "\(flag) \(said), but there is no tensor '\(names.head)'")
      }
      return
    }
    guard hasHead else { return }
    guard hasEmbedding else {
      names = names.takingEmbeddingFromHead()
      return
    }
    if try !checkpoint.tensor(names.embedding).hasSameValues(as: checkpoint.tensor(names.head)) {
      configuration.tiedEmbeddings = false
      Notices.tell(
        "\(config.file): \(flag) is true, but '\(names.head)' is stored with other values than '\(names.embedding)'; the stored "
          + "head is used, as in transformers 5")
    }
  }
}

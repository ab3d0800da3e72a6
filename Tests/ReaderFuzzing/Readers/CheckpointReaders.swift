import Checkpoints
import Foundation
import LanguageModels
import Tokenizers

extension FuzzedReader {
  /// A safetensors file with all its values.
  static let safetensors = FuzzedReader(
    "safetensors", .safetensors,
    words: [
      "dtype", "shape", "data_offsets", "__metadata__", "format", "pt", "F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64",
      "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL", "model.embed_tokens.weight",
    ],
    fixtures: ["Tests/CheckpointsTests/Fixtures/single/model.safetensors"],
    isRefusal: { $0 is CheckpointError },
    read: { input in try readValues(SafetensorsFile(safetensorsFolder.write(input, to: "model.safetensors"))) })

  private static let safetensorsFolder = InputFolder("safetensors")

  /// The index of a folder with two shards.
  static let safetensorsIndex = FuzzedReader(
    "safetensors-index", .text,
    words: [
      "weight_map", "metadata", "total_size", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "..", "/",
      "model.safetensors.index.json",
    ],
    fixtures: ["Tests/CheckpointsTests/Fixtures/sharded/model.safetensors.index.json"],
    isRefusal: { $0 is CheckpointError },
    read: { input in
      let index = try shardFolder.get().write(input, to: "model.safetensors.index.json")
      try readValues(SafetensorsCheckpoint(directory: index.deletingLastPathComponent()))
    })

  private static let shardFolder = Result {
    let folder = InputFolder("shards")
    for number in 1...2 {
      let shard = "model-0000\(number)-of-00002.safetensors"
      try folder.write(Repository.bytes("Tests/CheckpointsTests/Fixtures/sharded/\(shard)"), to: shard)
    }
    return folder
  }

  /// A GGUF file: metadata, all values, the model's shape, the tokenizer.
  static let gguf = FuzzedReader(
    "gguf", .gguf,
    words: ggufWords,
    fixtures: ["Tests/CheckpointsTests/Fixtures/metadata-v2.gguf", "Tests/CheckpointsTests/Fixtures/metadata-v3.gguf"],
    isRefusal: { $0 is CheckpointError || $0 is ModelError || $0 is TokenizerError },
    read: { input in
      let file = try GGUFFile(ggufFolder.write(input, to: "model.gguf"))
      try readValues(file)
      for key in file.keys {
        try Violation.require(file[key] != nil, "the key '\(key)' is listed but has no value")
        if file[key]?.array?.strings != nil { _ = try file.stringBytes(key) }
      }
      // Each may be refused without the other being.
      let results = [
        Result { try checkShape(ModelConfiguration(gguf: file)) },
        Result { try checkEncoding(Tokenizer(gguf: GGUFVocabulary(file))) },
      ]
      for result in results { try result.get() }
    })

  private static let ggufFolder = InputFolder("gguf")
  private static let ggufWords =
    [
      "general.architecture", "general.alignment", "general.type", "general.file_type", "general.quantization_version", "adapter",
      "imatrix", "split.no", "split.count", "split.tensors.count", "token_embd.weight", "output.weight", "rope_freqs.weight",
      "rope_factors_long.weight", "rope_factors_short.weight", "blk.0.attn_q.weight", "blk.0.attn_q.bias", "llama", "mistral",
      "qwen2", "phi3", "gpt2", "bert", "default", "llama-bpe", "smollm", "linear", "yarn", "longrope", "none", "<s>", "</s>",
      "<0x0A>", "▁", "▁a", "a b", "Ġ", "\u{FF}",
    ]
    + [
      "block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
      "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon",
      "attention.sliding_window", "rope.freq_base", "rope.dimension_count", "rope.scale_linear", "rope.scaling.type",
      "rope.scaling.factor", "rope.scaling.original_context_length", "rope.scaling.attn_factor", "expert_count", "vocab_size",
    ].map { "llama.\($0)" }
    + [
      "model", "pre", "tokens", "scores", "token_type", "merges", "bos_token_id", "eos_token_id", "unknown_token_id",
      "padding_token_id", "add_bos_token", "add_eos_token", "add_space_prefix",
    ].map { "tokenizer.ggml.\($0)" }

  /// Whatever opens can be read to the last value.
  private static func readValues(_ checkpoint: some Checkpoint) throws {
    for name in checkpoint.tensorNames {
      let tensor = try checkpoint.tensor(name)
      let values = try tensor.floats()
      try Violation.require(
        values.count == tensor.count && tensor.count == tensor.shape.reduce(1, *),
        "tensor '\(name)' of shape \(tensor.shape) gave \(values.count) values")
    }
  }
}

/// What the rest of the program computes from a shape at once.
func checkShape(_ configuration: ModelConfiguration) throws {
  try Violation.require(configuration.totalParameters >= 0, "the number of parameters is negative")
  guard configuration.headDimension <= 4096 else { return }
  let frequencies = configuration.rotary.frequencies(headDimension: configuration.headDimension)
  try Violation.require(
    frequencies.count == configuration.headDimension / 2,
    "\(frequencies.count) rotary frequencies for a head of \(configuration.headDimension)")
}

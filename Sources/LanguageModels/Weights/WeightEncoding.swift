import Checkpoints
import Foundation

/// How the matrices of a Hugging Face folder are stored, by what its configuration says.
///
/// Plain numbers, 8-bit floats with scales and MXFP4 of experts are read. All other kinds of quantisation are refused by name, because their stored
/// numbers are not the weights.
enum WeightEncoding: Equatable {
  case plain
  /// F8 numbers times a scale beside them (`weight_scale_inv`, `weight_scale`), one a tensor, a row or a block of this many rows
  /// and columns.
  case float8(block: [Int]?)
  /// Experts in blocks of 32 numbers of 4 bits, with an exponent each (MXFP4), as gpt-oss is published; the rest is plain.
  case mxfp4

  /// Kinds of quantisation that are refused: `quant_method`, its name, and how to get plain weights where there is a way that works for
  /// all checkpoints of the kind.
  private static let refused: [(method: String, name: String, advice: String?)] = [
    ("bitsandbytes", "bitsandbytes", dequantising),
    ("gptq", "GPTQ", nil),
    ("awq", "AWQ", nil),
    ("compressed-tensors", "compressed-tensors", nil),
    ("modelopt", "ModelOpt", nil),
    ("mlx", "MLX", "'python3 -m mlx_lm convert --hf-path IN --mlx-path OUT --dequantize' makes plain ones"),
    ("higgs", "HIGGS", dequantising),
    ("auto-round", "AutoRound", nil), ("intel/auto-round", "AutoRound", nil),
    ("aqlm", "AQLM", nil), ("vptq", "VPTQ", nil), ("quanto", "Quanto", nil), ("eetq", "EETQ", nil),
    ("hqq", "HQQ", nil), ("torchao", "TorchAO", nil), ("bitnet", "BitNet", nil), ("spqr", "SpQR", nil),
    ("quark", "Quark", nil), ("fp_quant", "FP-Quant", nil), ("nvfp4", "NVFP4", nil),
    ("mxfp8", "MXFP8", nil), ("exl2", "EXL2", nil), ("exl3", "EXL3", nil), ("sinq", "SINQ", nil),
  ]
  private static let dequantising =
    "'AutoModelForCausalLM.from_pretrained(IN).dequantize().save_pretrained(OUT)' of transformers makes plain ones"
  static let original = "give the checkpoint that they were made from"

  /// - Parameter folder: where a `hf_quant_config.json` may stand beside the configuration.
  /// - Throws: `ModelError.quantised`, and `CheckpointError` for mistyped keys.
  init(huggingFace config: HuggingFaceConfig, folder: URL) throws {
    guard let (section, method) = try Self.section(config, folder) else {
      self = .plain
      return
    }
    switch method {
    case "mxfp4":
      self = .mxfp4
    case "fp8":
      self = .float8(block: try section.integersIfPresent("weight_block_size"))
    case "fbgemm_fp8":
      self = .float8(block: nil)
    case "modelopt" where try section.stringIfPresent("quant_algo") == "FP8":
      self = .float8(block: nil)
    case "compressed-tensors" where try Self.isFloat8(section):
      self = .float8(block: try Self.block(section))
    default:
      let known = Self.refused.first { $0.method == method }
      let details = ["bits", "format", "quant_algo"].compactMap { key in
        section[key].map { "\(key) \($0.text(indented: false))" }
      }
      throw ModelError.quantised(
        file: section.file,
        form: ([known?.name ?? "quant_method '\(method)'"] + details).joined(separator: ", "),
        advice: known?.advice ?? Self.original)
    }
    if case .float8(let block?) = self, block.count != 2 || block.contains(where: { $0 < 1 }) {
      throw ModelError.invalidConfiguration(
        file: section.file, problem: "weight_block_size is \(block), not two positive numbers")
    }
  }

  /// The description of the quantisation, in any of its places, and its method; nil where there is none.
  private static func section(
    _ config: HuggingFaceConfig, _ folder: URL
  ) throws -> (HuggingFaceConfig, method: String)? {
    for key in ["quantization_config", "compression_config", "quantization"] {
      guard let section = try config.sectionIfPresent(key) else { continue }
      if let method = try section.stringIfPresent("quant_method") { return (section, method.lowercased()) }
      if section.contains("load_in_4bit") || section.contains("load_in_8bit") { return (section, "bitsandbytes") }
      if section.contains("quant_algo") { return (section, "modelopt") }
      if section.contains("bits"), section.contains("group_size") { return (section, "mlx") }
      if section.members.isEmpty { continue }
      throw ModelError.quantised(file: config.file, form: "\(key) without a quant_method", advice: original)
    }
    let beside = folder.appendingPathComponent("hf_quant_config.json")
    guard FileManager.default.fileExists(atPath: beside.path) else { return nil }
    return try HuggingFaceConfig(beside).sectionIfPresent("quantization").map { ($0, "modelopt") }
  }

  private static func groups(_ section: HuggingFaceConfig) throws -> [HuggingFaceConfig] {
    guard let groups = try section.sectionIfPresent("config_groups") else { return [] }
    return try groups.members.keys.sorted().compactMap { try groups.section($0).sectionIfPresent("weights") }
  }

  /// Whether all groups of compressed-tensors hold 8-bit floats.
  private static func isFloat8(_ section: HuggingFaceConfig) throws -> Bool {
    let groups = try groups(section)
    return try !groups.isEmpty
      && groups.allSatisfy { try $0.stringIfPresent("type") == "float" && $0.integerIfPresent("num_bits") == 8 }
  }

  private static func block(_ section: HuggingFaceConfig) throws -> [Int]? {
    try groups(section).compactMap { try $0.integersIfPresent("block_structure") }.first
  }

  /// Endings of the names of the two tensors that stand for a matrix in blocks, numbers and exponents.
  static let blockSuffixes = ["_blocks", "_scales"]
  /// Endings of the names of a quantised matrix's scale, after the name of its weight.
  static let scaleSuffixes = ["_scale_inv", "_scale"]
  /// Endings beside a module that belong to the quantisation of activations and of cached keys and values, which weights do not
  /// need.
  static let activationSuffixes = [
    ".input_scale", ".activation_scale", ".output_scale", ".q_scale", ".k_scale", ".v_scale", ".input_zero_point",
  ]
}

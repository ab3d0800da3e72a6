/// A type of ggml that has no reader here, known by its number in a file (`enum ggml_type` of `ggml.h`).
enum UnreadType {
  static func known(_ code: UInt32) -> (name: String, advice: String)? {
    all.lazy.compactMap { names, advice in names[code].map { ($0, advice) } }.first
  }

  /// A new type is one entry.
  private static let all: [(names: [UInt32: String], advice: String)] = [
    (
      [
        16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S", 29: "IQ1_M", 41: "Q1_0",
        42: "Q2_0",
      ],
      "'llama-quantize --allow-requantize IN.gguf OUT.gguf q8_0' of llama.cpp converts the model"
    ),
    ([40: "NVFP4"], "convert the original model with llama.cpp's 'convert_hf_to_gguf.py' to another type"),
    ([9: "Q8_1", 15: "Q8_K"], "llama.cpp keeps intermediate results in it and no weights"),
    ([4: "Q4_2", 5: "Q4_3"], "llama.cpp removed it in 2023; convert the original model again"),
    (
      [
        31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8",
      ],
      "llama.cpp removed it from files and rearranges Q4_0 and IQ4_NL when it loads them; use a file of that type"
    ),
  ]
}

import ArgumentParser
import Pipeline

/// The options that say what a subnet may cost, the same for every command that makes one.
struct SizeOptions: ParsableArguments {
  @Option(help: "Largest share of the block parameters that stays, such as 0.8.") var keep: Double?
  @Option(
    help: "Most parameters of the whole model: embeddings, head and norms, too, such as 110M.",
    transform: ParameterCount.read)
  var params: ParameterCount?
  @Option(
    help:
      "Most bytes of the weights' files, such as 200MB or 4GiB: as they are stored, a GGUF file with its tokenizer.",
    transform: ByteCount.read)
  var size: ByteCount?
  @Option(
    help: "Most bytes of the weights' files and of the keys and values of --context tokens, in two bytes each.",
    transform: ByteCount.read)
  var memory: ByteCount?
  @Option(help: "Tokens whose keys and values --memory counts.") var context: Int?

  func validate() throws {
    if [keep != nil, params != nil, size != nil, memory != nil].count(where: { $0 }) > 1 {
      throw ValidationError("give only one of --keep, --params, --size and --memory")
    }
    try Self.checkPair(memory: memory != nil, context: context != nil)
    try UsageError.check { try target?.validate() }
  }

  /// `nil` if none was given.
  var target: SizeTarget? {
    if let memory, let context { return .memory(memory.value, context: context) }
    return keep.map { .keep($0) } ?? params.map { .parameters($0.value) } ?? size.map { .size($0.value) }
  }

  static func checkPair(memory: Bool, context: Bool) throws {
    if memory != context { throw ValidationError("--memory goes with --context, the tokens of its cache") }
  }
}

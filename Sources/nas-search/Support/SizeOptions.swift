import ArgumentParser
import Pipeline

/// The options that say what a subnet may cost, the same for every command that makes one.
struct SizeOptions: ParsableArguments {
  @Option(help: "Largest share of the block parameters that stays, such as 0.8.") var keep: Double?
  @Option(help: "Most parameters of the whole model: embeddings, head and norms, too, such as 110M.")
  var params: ParameterCount?
  @Option(
    help:
      "Most bytes of all weights of the whole model, such as 200MB or 4GiB: at the type that is written, in a search at two bytes each."
  )
  var size: ByteCount?

  func validate() throws {
    if [keep != nil, params != nil, size != nil].count(where: { $0 }) > 1 {
      throw ValidationError("give only one of --keep, --params and --size")
    }
    try UsageError.check { try target?.validate() }
  }

  /// `nil` if none was given.
  var target: SizeTarget? {
    keep.map { .keep($0) } ?? params.map { .parameters($0.value) } ?? size.map { .size($0.value) }
  }
}

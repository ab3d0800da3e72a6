import ArgumentParser
import LinearAlgebra

/// In which precision subnets are evaluated and text is sampled: a precision, or the fastest that the processor has.
enum PrecisionArgument: String, ExpressibleByArgument, CaseIterable {
  case single = "f32"
  case bfloat16 = "bf16"
  case automatic = "auto"

  var value: Precision {
    switch self {
    case .single: .single
    case .bfloat16: .bfloat16
    case .automatic: .fastest
    }
  }
}

/// The same option for the commands that do so.
struct PrecisionOption: ParsableArguments {
  @Option(
    help:
      "Precision of products while subnets are evaluated and text is sampled from the model: f32, bf16 (faster, needs AVX-512 with bfloat16), or auto: the faster one on this processor. All else is in f32."
  )
  var precision = PrecisionArgument.single

  func validate() throws {
    if !precision.value.isSupported {
      throw ValidationError(
        "this processor has no products in bf16 (AVX-512 with bfloat16); take --precision f32 or auto")
    }
  }
}

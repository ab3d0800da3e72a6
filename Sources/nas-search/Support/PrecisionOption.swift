import ArgumentParser
import LinearAlgebra

/// In which precision subnets are evaluated: a precision, or the fastest that the processor has.
enum PrecisionArgument: String, ExpressibleByArgument, CaseIterable {
  case single = "f32"
  case bfloat16 = "bf16"
  case automatic = "auto"

  var value: Precision {
    switch self {
    case .single: .single
    case .bfloat16: .bfloat16
    case .automatic: Precision.bfloat16.isSupported ? .bfloat16 : .single
    }
  }
}

/// The same option for every command that evaluates subnets.
struct PrecisionOption: ParsableArguments {
  @Option(
    help:
      "Precision of subnets' products while they are evaluated: f32, bf16 (faster, needs AVX-512 with bfloat16), or auto: bf16 where the processor has it. The dense model is in f32."
  )
  var precision = PrecisionArgument.single

  func validate() throws {
    if !precision.value.isSupported {
      throw ValidationError(
        "this processor has no products in bf16 (AVX-512 with bfloat16); take --precision f32 or auto")
    }
  }
}

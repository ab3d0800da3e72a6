import ArgumentParser
import LinearAlgebra
import Pipeline
import Runtime

/// How much memory to plan with, the same option for every command that works on whole models.
struct MemoryOption: ParsableArguments {
  @Option(
    help:
      "Memory to plan with, such as 8GiB; less is slower, and what does not fit goes to disk. Default: half of the machine's.",
    transform: ByteCount.read)
  var memoryLimit: ByteCount?

  /// What a job has beside its request.
  ///
  /// - Parameter cache: what `--cache` says; there goes, too, what does not fit into memory.
  func context(cache: String? = nil) -> JobContext { Self.context(cache: cache, limit: memoryLimit?.value) }

  static func context(cache: String? = nil, limit: Int? = nil) -> JobContext {
    let folder = CacheFolder.url(cache)
    return JobContext(
      cache: folder, memory: MemoryPlan(limit: limit, scratch: folder), toolVersion: NASSearch.version)
  }
}

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

/// The damping of the least squares, the same option for every command that solves them.
struct DampingOption: ParsableArguments {
  @Option(
    help: "Damping of the least squares as a share of the Gram's mean diagonal; chosen by held-out error if not given.")
  var damping: Double?

  func validate() throws {
    if let damping, !(damping > 0 && damping < 1e6) { throw ValidationError("--damping must be positive") }
  }
}

/// How processes share the candidates of a study.
struct SharingOptions: ParsableArguments {
  @Option(help: "Candidates that a process takes at once. Default: a quarter of a generation or batch.")
  var portion: Int?
  @Option(help: "Seconds without a sign of life after which a portion is given to another process.") var lease =
    SharingRequest().lease

  func validate() throws { try UsageError.check { try request.validate() } }

  var request: SharingRequest {
    var request = SharingRequest()
    (request.portion, request.lease) = (portion, lease)
    return request
  }
}

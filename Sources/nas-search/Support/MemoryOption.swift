import ArgumentParser
import Foundation
import LinearAlgebra
import Runtime

/// How much memory to plan with, the same option for every command that works on whole models.
struct MemoryOption: ParsableArguments {
  @Option(
    help:
      "Memory to plan with, such as 8GiB; less is slower, and what does not fit goes to disk. Default: half of the machine's."
  )
  var memoryLimit: AmountArgument?

  /// - Parameter cache: where what does not fit is kept meanwhile.
  func plan(cache: URL) -> MemoryPlan { MemoryPlan(limit: memoryLimit?.value, scratch: cache) }
}

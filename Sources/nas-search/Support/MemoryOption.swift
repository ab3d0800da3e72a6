import ArgumentParser
import Foundation
import Pipeline
import Runtime

/// How much memory to plan with, the same option for every command that works on whole models.
struct MemoryOption: ParsableArguments {
  @Option(
    help:
      "Memory to plan with, such as 8GiB; less is slower, and what does not fit goes to disk. Default: half of the machine's."
  )
  var memoryLimit: ByteCount?

  /// - Parameter cache: where what does not fit is kept meanwhile.
  func plan(cache: URL) -> MemoryPlan { MemoryPlan(limit: memoryLimit?.value, scratch: cache) }

  /// What a job has beside its request.
  ///
  /// - Parameter cache: what `--cache` says.
  func context(cache: String?) -> JobContext {
    let folder = CacheFolder.url(cache)
    return JobContext(cache: folder, memory: plan(cache: folder), toolVersion: NASSearch.version)
  }
}

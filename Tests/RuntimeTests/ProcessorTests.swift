import CKernels
import LinearAlgebra
import Testing

@testable import Runtime

@Suite struct ProcessorTests {
  /// OpenBLAS takes kernels of SSE3 for what it does not know.
  @Test func unknownProcessorsGetKernelsByTheirInstructions() {
    #expect(Processor.fittingCore(insteadOf: "Prescott", instructions: NAS_AVX512) == "SkylakeX")
    #expect(Processor.fittingCore(insteadOf: "Prescott", instructions: NAS_AVX2) == "Haswell")
    #expect(Processor.fittingCore(insteadOf: "Prescott", instructions: NAS_PORTABLE) == nil)
    for core in ["Zen", "Cooperlake", "Haswell", "SkylakeX", "armv8"] {
      #expect(Processor.fittingCore(insteadOf: core, instructions: NAS_AVX512) == nil)
    }
    #expect(!Processor.blasCore.isEmpty)
  }

  @Test func theFastestPrecisionIsOneThatTheProcessorHas() { #expect(Precision.fastest.isSupported) }
}

import CKernels

/// What the processor can do, as against what the program was compiled for.
public enum Processor {
  /// A set of instructions that the program uses and this processor does not have; `nil` where it has all.
  public static var missingFeature: String? { nas_missing_feature().map { String(cString: $0) } }
}

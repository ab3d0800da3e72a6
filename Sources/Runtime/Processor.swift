import CKernels
import CNumerics
import Glibc

/// What the processor can do, as against what programs and libraries were made for.
public enum Processor {
  /// A set of instructions that the program uses and this processor does not have; `nil` where it has all.
  public static var missingFeature: String? { nas_missing_feature().map { String(cString: $0) } }

  /// The processor that OpenBLAS took its kernels for.
  public static var blasCore: String { String(cString: openblas_get_corename()) }

  /// Starts the program once more where OpenBLAS took kernels that are many times too slow.
  ///
  /// It knows processors by their model numbers, and takes those without AVX for one that is newer than itself. It looks at the
  /// environment (`OPENBLAS_CORETYPE`) when it is loaded, so there is no other way to tell it. What is set there already stays.
  public static func restartWithFittingBLAS() {
    guard getenv("OPENBLAS_CORETYPE") == nil,
      let core = fittingCore(insteadOf: blasCore, instructions: nas_best_instructions())
    else { return }
    var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    guard readlink("/proc/self/exe", &path, Int(PATH_MAX)) > 0 else { return }
    setenv("OPENBLAS_CORETYPE", core, 1)
    // Where that fails, the slow kernels do.
    execv(path, CommandLine.unsafeArgv)
  }

  /// - Returns: `nil` where the kernels that OpenBLAS took are no emergency.
  static func fittingCore(insteadOf core: String, instructions: nas_instructions) -> String? {
    guard core == "Prescott" else { return nil }
    return switch instructions {
    case NAS_AVX512: "SkylakeX"
    case NAS_AVX2: "Haswell"
    default: nil
    }
  }
}

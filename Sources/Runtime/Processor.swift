import CKernels
import CNumerics
import Foundation
import Glibc

/// Compares the processor with the instructions that the program and OpenBLAS use.
public enum Processor {
  /// A set of instructions that the program uses and this processor lacks; `nil` if it has all.
  public static var missingFeature: String? { nas_missing_feature().map { String(cString: $0) } }

  /// The model of the processor as the system names it; the instructions that it has if there is no such name.
  public static var name: String {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    let line = lines.first { $0.hasPrefix("model name") }
    return line.flatMap { $0.split(separator: ":", maxSplits: 1).last }.map { $0.trimmingCharacters(in: .whitespaces) }
      ?? blasCore
  }

  /// The processor for which OpenBLAS chose its kernels.
  public static var blasCore: String { String(cString: openblas_get_corename()) }

  /// Starts the program once more if OpenBLAS chose kernels that are many times too slow.
  ///
  /// OpenBLAS knows processors by their model numbers, and chooses kernels without AVX for a processor that is newer
  /// than itself. It reads the environment (`OPENBLAS_CORETYPE`) when it is loaded, so there is no other way to tell
  /// it. A value that is already set stays.
  public static func restartWithFittingBLAS() {
    guard getenv("OPENBLAS_CORETYPE") == nil,
      let core = fittingCore(insteadOf: blasCore, instructions: nas_best_instructions())
    else { return }
    var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    guard readlink("/proc/self/exe", &path, Int(PATH_MAX)) > 0 else { return }
    setenv("OPENBLAS_CORETYPE", core, 1)
    // If that fails, the slow kernels stay in use.
    execv(path, CommandLine.unsafeArgv)
  }

  /// - Returns: `nil` if the kernels that OpenBLAS chose are good enough.
  static func fittingCore(insteadOf core: String, instructions: nas_instructions) -> String? {
    guard core == "Prescott" else { return nil }
    return switch instructions {
    case NAS_AVX512: "SkylakeX"
    case NAS_AVX2: "Haswell"
    default: nil
    }
  }
}

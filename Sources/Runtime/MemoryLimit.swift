import Foundation
import Synchronization

/// How much memory the process may take: what is kept for later use, and how much runs at once, go by it.
///
/// It is a plan, not a guard: the smallest piece of work, one layer of the model in single precision with what its
/// factorisation takes, is done whatever the limit.
public enum MemoryLimit {
  private static let given = Mutex<Int?>(nil)
  private static let folder = Mutex(FileManager.default.temporaryDirectory)

  /// Where what does not fit is kept meanwhile.
  public static var scratch: URL { folder.withLock { $0 } }

  /// Bytes: what was given, else half of the machine's.
  public static var bytes: Int { given.withLock { $0 } ?? machine / 2 }

  /// - Parameters:
  ///   - bytes: `nil` for half of the machine's.
  ///   - scratch: a folder on a disk, for what does not fit; made when needed.
  public static func set(_ bytes: Int?, scratch: URL) {
    given.withLock { $0 = bytes }
    folder.withLock { $0 = scratch }
  }

  /// What the machine has, or the control group that the process runs in allows.
  public static let machine: Int = {
    let physical = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    let group = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)
    return min(physical, group.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? physical)
  }()
}

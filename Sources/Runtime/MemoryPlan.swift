import Foundation

/// The shares of the memory limit: how much each part of the program may hold at once. No other place decides them.
///
/// It is a plan, not a guard: the smallest piece of work, one layer of the model in single precision with what its
/// factorisation takes, is done whatever the limit. The shares overlap because their holders do not work at the same
/// time, or because each seldom needs its own whole.
public struct MemoryPlan: Sendable, Equatable {
  /// Bytes that the process may take.
  public let limit: Int
  /// A folder on a disk for what does not fit; made when needed.
  public let scratch: URL

  /// - Parameters:
  ///   - limit: bytes; `nil` for half of the machine's.
  ///   - scratch: a folder on a disk; `nil` for the system's folder for temporary files.
  public init(limit: Int? = nil, scratch: URL? = nil) {
    self.limit = limit ?? Self.machine / 2
    self.scratch = scratch ?? FileManager.default.temporaryDirectory
  }

  /// Bytes for the dense model's layers, widened to single precision: if all fit they are kept.
  public var layers: Int { limit / 2 }
  /// Bytes for finished layers of one subnet; more lie in a file in `scratch`.
  public var finishedLayers: Int { limit / 4 }
  /// Bytes for weights in training and what the optimiser remembers of them; more lie in a file in `scratch`.
  public var trained: Int { limit / 2 }
  /// Bytes for the packed layers of a text generator.
  public var generator: Int { limit / 4 }
  /// Bytes for the matrices of the lanes that gather statistics.
  public var lanes: Int { limit / 4 }
  /// Bytes for all tasks that run at the same time, each with a layer of its own.
  public var tasks: Int { limit / 4 * 3 }
  /// Bytes for ranked and factorised layers that are kept for later candidates, beside the task that makes one.
  ///
  /// - Parameter task: bytes of that task.
  public func rankedLayers(besideTask task: Int) -> Int { max(0, limit / 2 - task) }
  /// Bytes for the streams and packed weights of candidates that are evaluated together.
  public var candidates: Int { limit / 4 }

  /// How many tasks of equal size may run at the same time: one at least.
  public func tasks(ofBytes bytes: Int) -> Int { bytes == 0 ? .max : max(1, tasks / bytes) }

  /// Bytes that the machine has, or that the control group of the process allows.
  public static let machine: Int = {
    let physical = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    let group = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)
    return min(physical, group.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? physical)
  }()
}

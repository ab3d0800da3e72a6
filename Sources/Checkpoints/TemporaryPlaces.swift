import Foundation
import Synchronization

/// Files and folders under temporary names, until they are whole. A process that has to end at once removes them.
public enum TemporaryPlaces {
  private struct State {
    /// Paths, with the folders that were made for each, outermost first.
    var places: [String: [String]] = [:]
    var isClosed = false
  }

  private static let state = Mutex(State())

  /// Enters a path before something is made there. It does not return while the process ends.
  static func enter(_ path: String, parents: [String] = []) {
    let isClosed = state.withLock { state in
      state.places[path] = parents
      return state.isClosed
    }
    while isClosed { pause() }
  }

  /// Takes out a path at which nothing is left, or something that stays.
  static func leave(_ path: String) { state.withLock { $0.places[path] = nil } }

  /// Removes everything that is not whole, and lets nothing new begin. The process must end then.
  public static func removeAll() {
    let places = state.withLock { state in
      state.isClosed = true
      return state.places
    }
    for (path, parents) in places {
      // Something that another thread is making just now may keep a folder from going.
      for _ in 0..<100 where access(path, F_OK) == 0 { try? FileManager.default.removeItem(atPath: path) }
      for parent in parents.reversed() { rmdir(parent) }
    }
  }
}

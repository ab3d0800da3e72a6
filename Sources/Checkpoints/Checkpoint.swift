import Foundation

/// Named tensors in one or several files of any format.
public protocol Checkpoint: Sendable {
  /// The file or folder that was opened.
  var location: URL { get }
  /// Tensors in the order in which their values lie in the files.
  var tensorNames: [String] { get }
  var tensors: [String: Tensor] { get }
}

extension Checkpoint {
  public func contains(_ name: String) -> Bool { tensors[name] != nil }

  /// - Throws: `CheckpointError.missingTensor`, which lists the most similar names.
  public func tensor(_ name: String) throws -> Tensor {
    if let tensor = tensors[name] { return tensor }
    throw CheckpointError.missingTensor(
      file: location.path, tensor: name, near: similarNames(to: name, in: tensorNames))
  }
}

/// The names most similar to one that was not found, best first, at most three. Names that differ by more than half of
/// their length are left out.
private func similarNames(to name: String, in names: [String]) -> [String] {
  let wanted = Array(name.utf8)
  let scored = names.compactMap { candidate -> (distance: Int, name: String)? in
    let distance = editDistance(wanted, Array(candidate.utf8))
    return distance <= max(wanted.count, candidate.utf8.count) / 2 ? (distance, candidate) : nil
  }
  return scored.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
}

/// Levenshtein's distance: the least number of insertions, deletions and substitutions.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var previous = Array(0...b.count)
  var current = previous
  for (i, x) in a.enumerated() {
    current[0] = i + 1
    for (j, y) in b.enumerated() {
      current[j + 1] = min(previous[j] + (x == y ? 0 : 1), previous[j + 1] + 1, current[j] + 1)
    }
    swap(&previous, &current)
  }
  return previous[b.count]
}

import Checkpoints
import Exports
import Foundation

/// The folder for statistics, looked at before text is sampled and statistics are gathered.
struct CachePlace {
  let folder: URL
  /// Of the model.
  let fingerprint: String
  /// What statistics and gradients will take.
  let bytes: Int

  /// Whether the folder can be written, and has room for all this together with what else will be written.
  ///
  /// A folder that holds something of this model is left alone: perhaps nothing needs to be added, also where nothing can be.
  /// - Throws: `CheckpointError.unwritable`.
  func check(beside others: [DiskSpace.Need] = []) throws {
    let known = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    if known.contains(where: { $0.hasPrefix(fingerprint + "-") }) { return try DiskSpace.check(others) }
    try Destination.rehearseFolder(folder)
    try DiskSpace.check([(place: folder, bytes: bytes, what: "statistics")] + others)
  }
}

extension ExportTarget {
  /// What an export of so many parameters takes.
  func need(parameters: Int) -> DiskSpace.Need {
    (place: url, bytes: bytes(parameters: parameters), what: "the export")
  }
}

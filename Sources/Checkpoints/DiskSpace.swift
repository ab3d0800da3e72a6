import Foundation

/// Free room on disks, as far as the system reports it.
public enum DiskSpace {
  /// Bytes that will be written to a place.
  ///
  /// - `what`: such as `the statistics`.
  public typealias Need = (place: URL, bytes: Int, what: String)

  /// Checks that there is room for everything together.
  ///
  /// - Throws: `CheckpointError.unwritable` with the bytes that are needed and those that are free.
  public static func check(_ needs: [Need]) throws(CheckpointError) {
    var taken: [dev_t: [Need]] = [:]
    for need in needs where need.bytes > 0 {
      guard let (device, free) = room(at: need.place) else { continue }
      let all = taken[device, default: []] + [need]
      taken[device] = all
      let sum = all.reduce(0) { $0 + $1.bytes }
      guard sum > free else { continue }
      let parts = all.map { "\(words($0.bytes)) for \($0.what)" }.joined(separator: " and ")
      throw .unwritable(
        path: need.place.standardizedFileURL.path, reason: "it takes \(parts), but its disk has \(words(free)) free")
    }
  }

  /// The file system that a place is or will be on, and its free bytes; `nil` if the system does not report them.
  static func room(at place: URL) -> (device: dev_t, free: Int)? {
    guard var path = try? ResolvedPath.of(place.path, called: place.path) else { return nil }
    while path != "/", access(path, F_OK) != 0 { path = (path as NSString).deletingLastPathComponent }
    var (system, status) = (statvfs(), stat())
    guard statvfs(path, &system) == 0, stat(path, &status) == 0, system.f_blocks > 0 else { return nil }
    // Some blocks are reserved for the superuser.
    let blocks = geteuid() == 0 ? system.f_bfree : system.f_bavail
    let (bytes, isHuge) = Int(clamping: blocks).multipliedReportingOverflow(by: Int(clamping: system.f_frsize))
    return (status.st_dev, isHuge ? .max : bytes)
  }

  /// `5.1 GiB`, `310 MiB`, `12 KiB`.
  public static func words(_ bytes: Int) -> String {
    bytes < 1 << 20
      ? "\(bytes >> 10) KiB"
      : bytes < 1 << 30 ? "\(bytes >> 20) MiB" : String(format: "%.1f GiB", Double(bytes) / Double(1 << 30))
  }
}

import Foundation
import Testing

/// Compares text with a file in `Fixtures`. With `UPDATE_GOLDEN=1` in the environment the file is written instead.
func expectGolden(_ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
  if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
    try Data(text.utf8).write(to: file, options: .atomic)
    return
  }
  let expected = try String(decoding: Data(contentsOf: file), as: UTF8.self)
  guard text != expected else { return }
  let ours = text.split(separator: "\n", omittingEmptySubsequences: false)
  let theirs = expected.split(separator: "\n", omittingEmptySubsequences: false)
  let line = zip(ours, theirs).enumerated().first { $1.0 != $1.1 }?.offset ?? min(ours.count, theirs.count)
  let got = line < ours.count ? String(ours[line].prefix(300)) : "(end)"
  let want = line < theirs.count ? String(theirs[line].prefix(300)) : "(end)"
  Issue.record("\(name) line \(line + 1):\n got  \(got)\n want \(want)", sourceLocation: sourceLocation)
}

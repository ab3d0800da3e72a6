import Foundation
import Search
import Testing

@testable import Studies

/// A process whose folder was removed while it prepared its study leaves alone what another process made there since.
@Suite struct RemovedFolderTests {
  @Test func anotherStudyIsLeftAlone() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("nas-search-tests-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let late = try StudyPlace(at: .folder(folder), name: "late")
    try FileManager.default.removeItem(at: folder)
    let study = try Toy.create(at: .folder(folder))
    func content() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
    let before = try content()
    #expect(throws: StudyError.self) {
      try Study.create(
        in: late, name: "late", directions: [.minimize], model: ModelIdentity(name: "m", fingerprint: "f"),
        space: study.space)
    }
    late.abandon()
    #expect(try content() == before)
    #expect(throws: StudyError.self) { try StudyPlace(at: .folder(folder), name: "third") }
    try study.close()
    try Study.open(.folder(folder), access: .inspect).close()
  }
}

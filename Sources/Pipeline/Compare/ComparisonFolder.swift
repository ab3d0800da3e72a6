import Checkpoints
import Foundation
import Reports

/// The folder of a comparison: the state by which it goes on, and the files that show it.
struct ComparisonFolder {
  struct State: Codable {
    var schema = "nas-search.comparison-state"
    var version = 1
    let fingerprint: String
    let request: CompareRequest
    var comparison: MethodComparison
  }

  let url: URL

  private static let stateFile = "comparison.state.json"
  private static let files = [
    stateFile, CalibrationFile.name, "comparison.csv", "comparison.json", "comparison.html", "winners.md",
  ]

  private func file(_ name: String) -> URL { url.appendingPathComponent(name) }

  /// Whether the folder takes the comparison's files: it is new, empty or one of a comparison, and can be written.
  func check(keeping model: URL) throws {
    try Destination(file(Self.stateFile), .file) { _ in nil }.keepApart(from: model)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    let foreign = names.filter { name in !Self.files.contains { name == $0 || name.hasPrefix(".\($0).") } }.sorted()
    if let name = foreign.first, !names.contains(Self.stateFile) {
      throw CheckpointError.unwritable(
        path: url.path, reason: "it is a folder of other things than a comparison, such as '\(name)'")
    }
    for name in Self.files {
      do {
        try Destination(file(name), .file) { _ in nil }.rehearse()
      } catch CheckpointError.unwritable(let path, let reason) where names.isEmpty {
        throw CheckpointError.unwritable(path: (path as NSString).deletingLastPathComponent, reason: reason)
      }
    }
  }

  /// What an earlier run left; `nil` if there is none.
  ///
  /// - Throws: `PipelineError` if it cannot be read, or belongs to a request of which this one is no continuation.
  func state(_ request: CompareRequest, _ entries: [CompareRequest.Entry], fingerprint: String) throws -> State? {
    let place = file(Self.stateFile)
    guard FileManager.default.fileExists(atPath: place.path) else { return nil }
    let decoder = StoredJSON.decoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let data = try? Data(contentsOf: place), let state = try? decoder.decode(State.self, from: data) else {
      throw PipelineError.damaged(path: place.path, problem: "the comparison cannot be read")
    }
    guard state.fingerprint == fingerprint else {
      throw PipelineError.damaged(
        path: place.path, problem: "it was made for the model \(state.fingerprint), not \(fingerprint)")
    }
    // Paths may differ where the same model has moved.
    var other = request
    (other.model, other.methods, other.keeps) = (state.request.model, state.request.methods, state.request.keeps)
    (other.assignments, other.evaluations) = (state.request.assignments, state.request.evaluations)
    func require(_ agrees: Bool, _ difference: String) throws {
      if !agrees { throw PipelineError.settingsDiffer(study: url.path, difference: difference, option: "--output") }
    }
    if let difference = state.request.plan.named.difference(to: other.plan.named) {
      try require(false, difference.words)
    }
    try require(
      state.request.tasks == other.tasks && state.request.taskFiles == other.taskFiles,
      "its tasks, their files or their number of items are others")
    try require(state.request == other, "its texts, their windows or its damping are others")
    for known in state.comparison.methods {
      let entry = entries.first { $0.label == known.name }
      try require(entry != nil, "it compares '\(known.name)' too, and the request does not")
      try require(entry?.values.described == known.settings, "'\(known.name)' has other settings there")
    }
    try require(Set(request.keeps).isSuperset(of: state.request.keeps), "it has sizes that are not asked for")
    return state
  }

  func save(_ state: State) throws {
    let encoder = StoredJSON.encoder(indented: true)
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let comparison = state.comparison
    try AtomicFile.write(encoder.encode(state), to: file(Self.stateFile))
    try AtomicFile.write(ComparisonCSV.data(comparison), to: file("comparison.csv"))
    try AtomicFile.write(ComparisonJSON.data(comparison), to: file("comparison.json"))
    try AtomicFile.write(Data(winners(comparison).utf8), to: file("winners.md"))
    try AtomicFile.write(ComparisonPage.data(comparison), to: file("comparison.html"))
  }

  /// The best methods, and how ours stand against the best of the published.
  private func winners(_ comparison: MethodComparison) -> String {
    let own = comparison.methods.filter { $0.source == "nas-search" }.map(\.name)
    let published = comparison.methods.filter { $0.source.contains("arXiv") }.map(\.name)
    let losses = WinnersTable.losses(comparison, of: own, against: published)
    return WinnersTable.markdown(comparison)
      + (losses.isEmpty ? "" : "\nLoss in log-perplexity as a share of that of the best published method:\n\n" + losses)
  }
}

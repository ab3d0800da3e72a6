import Calibration
import Foundation
import Runtime
import Search
import Synchronization
import Testing

@testable import Pipeline

/// A layer's weights that are spoiled while some candidates are evaluated, in a copy of the model.
private final class SpoiledLayer: Sendable {
  private let file: URL
  private let place: UInt64
  private let content: Data
  /// Events of candidates so far.
  private let events = Mutex(0)
  /// Numbers of the events between which the weights are not finite.
  private let spoiled: Range<Int>

  init(_ model: URL, tensor: String, between spoiled: Range<Int>) throws {
    file = model.appendingPathComponent("model.safetensors")
    let data = try Data(contentsOf: file)
    let header = Int(data.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) })
    let members = try JSONSerialization.jsonObject(with: data[8..<8 + header]) as? [String: Any]
    let entry = try #require(members?[tensor] as? [String: Any])
    let offsets = try #require(entry["data_offsets"] as? [Int])
    content = data[8 + header + offsets[0]..<8 + header + offsets[1]]
    place = UInt64(8 + header + offsets[0])
    self.spoiled = spoiled
  }

  var monitor: Monitor {
    Monitor { [self] event in
      guard let progress = event as? Monitor.Progress, progress.stage.kind == .candidates else { return }
      let number = events.withLock { events in
        events += 1
        return events
      }
      if number == spoiled.lowerBound { write(Data(repeating: 0xFF, count: content.count)) }
      if number == spoiled.upperBound { write(content) }
    }
  }

  /// In place, so that a mapped file changes too.
  private func write(_ bytes: Data) {
    guard let handle = FileHandle(forUpdatingAtPath: file.path) else { return }
    defer { try? handle.close() }
    _ = try? handle.seek(toOffset: place)
    try? handle.write(contentsOf: bytes)
  }
}

@Suite struct FailingCandidateTests {
  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures")

  private func search(
    in folder: URL, budget: Int, spoiled: Range<Int>
  ) throws -> (outcome: SearchJob.Outcome, study: String) {
    let model = folder.appendingPathComponent("model")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try FileManager.default.copyItem(at: Self.fixtures.appendingPathComponent("models/llama3-gqa"), to: model)
    let layer = try SpoiledLayer(model, tensor: "model.layers.0.self_attn.o_proj.weight", between: spoiled)
    var settings = SearchSettings(model: model.path)
    settings.spaceText = try SpaceLibrary.text(settings.space)
    settings.plan.calibration = [.file(Self.fixtures.appendingPathComponent("text/lighthouse.txt"), field: "text")]
    (settings.plan.calibrationWindows, settings.plan.calibrationLength) = (8, 64)
    (settings.plan.fitnessWindows, settings.plan.fitnessLength) = (4, 32)
    let study = folder.appendingPathComponent("study").path
    // With hardly any memory every layer is read again for every candidate.
    let context = JobContext(
      cache: folder.appendingPathComponent("cache"), memory: MemoryPlan(limit: 1, scratch: folder), toolVersion: "test")
    let request = SearchRequest(settings, study: study, budget: SearchBudget(evaluations: budget))
    return (try SearchJob(request, in: context).run(layer.monitor), study)
  }

  private func temporary() -> URL {
    FileManager.default.temporaryDirectory.appendingPathComponent("nas-search-\(UUID().uuidString)")
  }

  /// The candidates that meet the spoiled layer are recorded with the reason; all others have results.
  @Test func aSearchGoesOnAfterFailures() throws {
    let folder = temporary()
    defer { try? FileManager.default.removeItem(at: folder) }
    let (outcome, study) = try search(in: folder, budget: 16, spoiled: 1..<3)
    #expect(outcome == .complete)
    let report = try ReportBuilder.report(study)
    let failed = report.trials.filter { $0.state == .failed }
    #expect(report.trials.count == 16 && (1...2).contains(failed.count), "\(failed.map(\.number))")
    for trial in failed { #expect(trial.failure?.contains("layers.0") == true, "\(trial.failure ?? "")") }
    #expect(report.trials.filter { $0.state == .complete }.count == 16 - failed.count && !report.front.isEmpty)
  }

  /// If nothing but failures come, the search stops and says why.
  @Test func aSearchStopsIfAllFail() throws {
    let folder = temporary()
    defer { try? FileManager.default.removeItem(at: folder) }
    let error = #expect(throws: (any Error).self) { try search(in: folder, budget: 16, spoiled: 1..<1_000_000) }
    let words = error.map { "\($0)" } ?? ""
    #expect(words.contains("candidates failed") && words.contains("layers.0"), "\(words)")
  }
}

import Foundation
import Search
import Testing

@testable import Studies

/// Real processes that evaluate the trials of one study, and are killed while they do.
@Suite(.serialized) struct WorkerProcessTests {
  /// The executable, which the package manager builds beside the test bundle.
  private static let executable = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appendingPathComponent("StudiesTestWorker")

  @Test func onOneHostWithAFile() throws {
    let scratch = Scratch()
    try check(.folder(scratch.url))
    // The last one to leave puts the file in order.
    #expect(scratch.files == ["study.db", "study.lock"])
  }

  @Test(.enabled(if: PostgresServer.isThere, Comment(rawValue: PostgresServer.problem ?? "")))
  func onAServer() throws {
    try check(.server(try PostgresServer.database()))
  }

  /// Adds trials while workers come, die and go, and sees to it that each trial ends, once, with its own values.
  private func check(_ location: StudyLocation) throws {
    let (count, lease) = (120, 0.4)
    let study = try Toy.create(at: location)
    let outputs = Scratch()
    try FileManager.default.createDirectory(at: outputs.url, withIntermediateDirectories: true)
    var workers: [Process] = []
    var started = 0
    func hire() throws {
      let output = outputs.url.appendingPathComponent("\(started)")
      try Data().write(to: output)
      let process = Process()
      process.executableURL = Self.executable
      let place =
        switch location {
        case .folder(let directory): directory.path
        case .server(let url): url.text
        }
      process.arguments = [place, "toy", "worker \(started)", "\(lease)"]
      let handle = try FileHandle(forWritingTo: output)
      process.standardOutput = handle
      try process.run()
      try handle.close()
      workers.append(process)
      started += 1
    }
    var random = SystemRandomNumberGenerator()
    let space = study.space
    func genome(_ number: Int) -> Genome {
      space.variables.enumerated().map { $1.lowest + (number * 7 + $0) % $1.levels * $1.step }
    }
    var ended: [Int: StoredTrial] = [:]
    var added = 0
    let limit = Date(timeIntervalSinceNow: 60)
    for _ in 0..<4 { try hire() }
    while ended.count < count && Date() < limit {
      if added < count {
        try study.enqueue((added..<added + 20).map { Candidate(ordinal: $0, genome: genome($0), origin: "test") })
        added += 20
      }
      for trial in try study.trials() where trial.state == .complete {
        // Complete trials stay as they are.
        if let known = ended[trial.number] { #expect(known == trial) }
        ended[trial.number] = trial
      }
      if let victim = workers.randomElement(using: &random), started < 24 { kill(victim.processIdentifier, SIGKILL) }
      workers.removeAll { !$0.isRunning }
      while workers.count < 4 && ended.count < count { try hire() }
      usleep(.random(in: 50_000...200_000))
    }
    for worker in workers { worker.waitUntilExit() }

    let trials = try study.trials()
    #expect(trials.map(\.number) == Array(0..<count))
    for trial in trials {
      #expect(trial.state == .complete)
      #expect(trial.genome == genome(trial.number))
      #expect(trial.values == [Double(trial.genome.reduce(0, +)) / 3, Double(trial.genome[1]) / 7])
      #expect(trial.owner?.hasPrefix("worker ") == true)
    }
    // A killed worker may have had no time to say so, but no two say that they were first.
    let first = try (0..<started).flatMap { worker in
      try String(contentsOf: outputs.url.appendingPathComponent("\(worker)"), encoding: .utf8).split(separator: "\n")
        .compactMap { Int($0) }
    }
    #expect(Set(first).count == first.count)
    #expect(started > 4)
    try study.close()
  }
}

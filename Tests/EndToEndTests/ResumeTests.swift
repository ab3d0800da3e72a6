import Foundation
import Studies
import Testing

extension EndToEnd {
  /// A search that ends early and goes on finds what an uninterrupted one finds.
  @Suite(.serialized) struct Resuming {
    private static let budget = 60
    private static let study = "results/study"

    /// Evaluations take long enough here for signals to come between them.
    private func search(_ more: String..., budget: Int = Self.budget, study: String = Self.study) -> [String] {
      Workspace.search(
        "--calibration", "self", "--calibration", "text/lighthouse.txt", "--population", "8", "--seed", "5",
        "--fitness-windows", "32", "--fitness-length", "128",
        budget: "\(budget)", study: study) + more
    }

    private func trials(_ workspace: Workspace, _ study: String = Self.study) -> [StoredTrial] {
      let url = workspace.url(study)
      guard Study.exists(at: url), let stored = try? Study.open(.folder(url), access: .inspect) else { return [] }
      return (try? stored.trials()) ?? []
    }

    /// What a search found: every candidate in order, and the front as its file has it.
    private func expectEqual(_ workspace: Workspace, _ first: String, _ second: String) throws {
      let (a, b) = (trials(workspace, first), trials(workspace, second))
      #expect(a.map(\.genome) == b.map(\.genome))
      #expect(a.map(\.values) == b.map(\.values))
      #expect(a.map(\.origin) == b.map(\.origin))
      #expect(a.map(\.state) == b.map(\.state))
      #expect(try workspace.data(first + "/front.csv") == workspace.data(second + "/front.csv"))
    }

    /// Files that belong in a study's folder, and no others.
    private func expectTidy(_ workspace: Workspace, _ study: String = Self.study) throws {
      let files = try FileManager.default.contentsOfDirectory(atPath: workspace.url(study).path).sorted()
      #expect(
        files == [
          "calibration.json", "configuration.json", "front.csv", "front.json", "report.html", "study.db", "study.lock",
        ])
    }

    /// Whoever proposes the candidates, in one run or in two.
    @Test(arguments: ["bayesian", "tpe", "random", "quasi-random"]) func otherOptimizers(_ optimizer: String) throws {
      let workspace = try Workspace("llama3-gqa")
      func search(_ budget: Int, _ study: String) -> [String] {
        Workspace.search(
          "--calibration", "text/lighthouse.txt", "--population", "8", "--optimizer", optimizer, budget: "\(budget)",
          study: study)
      }
      try workspace.run(search(34, "whole")).expectSuccess()
      try workspace.run(search(25, Self.study)).expectSuccess()
      try workspace.run(search(34, Self.study)).expectSuccess()
      try expectEqual(workspace, "whole", Self.study)
      let found = trials(workspace)
      #expect(found.count == 34 && Set(found.map(\.genome)).count == 34)
      let evolution = Workspace.search("--calibration", "text/lighthouse.txt", "--population", "8", study: Self.study)
      try workspace.expectFailure(evolution, "optimizer was \(optimizer), now auto")
    }

    // MARK: Killed

    /// Kills at steps of the preparation and after numbers of trials that a seed draws; every time the same command is
    /// given again.
    @Test(arguments: [1, 2, 3] as [UInt64]) func killed(_ seed: UInt64) throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(search(study: "whole")).expectSuccess()
      var random = SplitMix(state: seed)
      let steps = [
        "study:", "sampling calibration text …", "statistics of 'self'", "statistics of 'lighthouse'",
        "dense", "uniform",
      ]
      for step in steps {
        let tool = try RunningTool(search(), in: workspace)
        tool.wait { tool.errors.contains(step) }
        usleep(UInt32(random.next() % 3000))
        tool.send(SIGKILL)
        _ = try tool.finish()
      }
      var stops = Set((0..<6).map { _ in Int(random.next() % UInt64(Self.budget)) }).sorted()
      var hits = 0
      while !stops.isEmpty {
        let stop = stops.removeFirst()
        let tool = try RunningTool(search(), in: workspace)
        tool.wait { trials(workspace).count > stop }
        usleep(UInt32(random.next() % 3000))
        tool.send(SIGKILL)
        if try tool.finish().code == -SIGKILL { hits += 1 }
        // A kill may come later than meant, but loses nothing that had a result.
        let found = trials(workspace)
        #expect(found.filter { $0.state != .complete }.count <= 8)
        if found.filter({ $0.state == .complete }).count < Self.budget {
          let report = try workspace.run("report", Self.study).expectSuccess().output
          #expect(report.contains("unfinished") && report.contains("Resume:"))
        }
      }
      #expect(hits > 0)
      try workspace.run(search()).expectSuccess()
      try expectEqual(workspace, "whole", Self.study)
      try expectTidy(workspace)
      #expect(workspace.cache.allSatisfy { !$0.hasPrefix(".") }, "\(workspace.cache)")
    }

    // MARK: Stopped

    @Test(arguments: [SIGINT, SIGTERM]) func stopped(_ signal: Int32) throws {
      let workspace = try Workspace("mistral-gqa")
      try workspace.run(search(study: "whole")).expectSuccess()
      var outcome = try workspace.run("spaces")
      for stop in [2, 30] {
        let tool = try RunningTool(search(study: "study's folder"), in: workspace)
        tool.wait { trials(workspace, "study's folder").count > stop }
        tool.send(signal)
        outcome = try tool.finish().expectSuccess()
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains("stopped; the same command goes on where this ended:"))
        // What the stop cut short waits to be begun again, nothing is left running, and the database is one file.
        #expect(trials(workspace, "study's folder").allSatisfy { [.complete, .waiting].contains($0.state) })
        #expect(!workspace.exists("study's folder/study.db-wal"))
      }
      // The printed command, as a shell reads it.
      let line = try #require(outcome.errorLines.last).trimmingCharacters(in: .whitespaces)
      #expect(line.hasPrefix("nas-search --model "))
      let shell = Process()
      shell.executableURL = URL(fileURLWithPath: "/bin/sh")
      shell.arguments = ["-c", line + " >/dev/null 2>&1"]
      shell.currentDirectoryURL = workspace.folder
      var environment = workspace.environment
      let tools = RunningTool.executable.deletingLastPathComponent().path
      environment["PATH"] = tools + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
      shell.environment = environment
      try shell.run()
      shell.waitUntilExit()
      #expect(shell.terminationStatus == 0, "\(line)")
      #expect(trials(workspace, "study's folder").count == Self.budget)
      try expectEqual(workspace, "whole", "study's folder")
      try expectTidy(workspace, "study's folder")
    }

    @Test func stoppedWhilePreparing() throws {
      let workspace = try Workspace("llama3-gqa")
      let before = try workspace.snapshot()
      // Long windows, so that the stop comes in time.
      let command = Workspace.search("--calibration-windows", "64", "--calibration-length", "1024")
      let tool = try RunningTool(command, in: workspace)
      tool.wait { tool.errors.contains("sampling calibration text …") }
      tool.send(SIGINT)
      let outcome = try tool.finish().expectSuccess()
      #expect(outcome.errors.contains("stopped; the same command goes on"))
      #expect(try workspace.snapshot() == before)
      #expect(workspace.cache.isEmpty)
    }

    /// With rungs a generation competes; what a kill cuts short competes again.
    @Test func killedOnRungs() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(search("--rungs", "3", study: "whole")).expectSuccess()
      for stop in [10, 30] {
        let tool = try RunningTool(search("--rungs", "3"), in: workspace)
        tool.wait { trials(workspace).count > stop }
        tool.send(SIGKILL)
        _ = try tool.finish()
      }
      try workspace.run(search("--rungs", "3")).expectSuccess()
      try expectEqual(workspace, "whole", Self.study)
      // Some ended early, none of those on the front.
      let stored = trials(workspace)
      func windows(_ trial: StoredTrial) throws -> Int {
        let data = Data(try #require(trial.attributes["windows"]).utf8)
        let record = try #require(JSONSerialization.jsonObject(with: data) as? [String: [Double]])
        return try #require(record["divergences"]?.count)
      }
      let counts = try stored.map(windows)
      #expect(Set(counts) == [6, 12, 24] && counts.prefix(8).allSatisfy { $0 == 24 })
      let front = try workspace.run("report", Self.study, "--json").expectSuccess().json()
      let points = try #require(front["front"] as? [[String: Any]])
      for point in points { #expect(try windows(stored[#require(point["trial"] as? Int)]) == 24) }
      let words = try workspace.run("report", Self.study, "--fidelity").expectSuccess().output
      #expect(words.contains("On the first 6 fitness windows: rank correlation 0.") && words.contains("Error curves"))
      let fidelity = try workspace.run("report", Self.study, "--fidelity", "--json").expectSuccess().json()
      let rungs = try #require(fidelity["rungs"] as? [[String: Any]])
      #expect(
        rungs.compactMap { $0["stopped"] as? Int } == [6, 12].map { count in counts.filter { $0 == count }.count })
      #expect(rungs.compactMap { $0["error"] as? Double }.allSatisfy { $0 > 0 && $0 < 0.5 })
      #expect(try workspace.text(Self.study + "/report.html").contains("On the first 12 fitness windows"))
    }

    // MARK: Budgets

    @Test func budgetsCountAllRuns() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(search(budget: 40, study: "whole")).expectSuccess()
      try workspace.run(search(budget: 11)).expectSuccess()
      let first = trials(workspace)
      #expect(first.count == 11)
      let again = try workspace.run(search(budget: 11)).expectSuccess()
      #expect(again.errors.contains("resuming: 11 evaluations are stored"))
      #expect(trials(workspace) == first)
      // A smaller budget takes nothing away.
      try workspace.run(search(budget: 5)).expectSuccess()
      #expect(trials(workspace) == first)
      try workspace.run(search(budget: 40)).expectSuccess()
      try expectEqual(workspace, "whole", Self.study)
      // Time counts too: what is stored took longer than this.
      let timed = search(budget: 41).map { $0 == "41" ? "41,0.000001s" : $0 }
      #expect(try workspace.run(timed).expectSuccess().output.contains("40 of 41 evaluations"))
      #expect(trials(workspace).count == 40)
    }

    @Test func exhaustedSpace() throws {
      let workspace = try Workspace("llama3-gqa")
      let command = Workspace.search("--space", "uniform", budget: "100000")
      let first = try workspace.run(command).expectSuccess()
      #expect(first.output.contains("finished"))
      let count = trials(workspace).count
      #expect(count > 10 && count < 1000)
      #expect(Set(trials(workspace).map(\.genome)).count == count)
      try workspace.run(command).expectSuccess()
      #expect(trials(workspace).count == count)
    }

    // MARK: Two at once

    @Test func oneProcessAStudy() throws {
      let workspace = try Workspace("llama3-gqa")
      // Before there is a database …
      let preparing = try RunningTool(search(), in: workspace)
      preparing.wait { preparing.errors.contains("sampling calibration text …") }
      preparing.send(SIGSTOP)
      if preparing.isRunning {
        try workspace.run(search()).expectFailure("results/study", "in use by another process (")
        try workspace.run(search("--keep", "0.8")).expectFailure("results/study", "in use by another process (")
      }
      preparing.send(SIGCONT)
      try preparing.finish().expectSuccess()
      try workspace.run(search(study: "whole")).expectSuccess()
      try expectEqual(workspace, "whole", Self.study)
      // … and when there is one; looking at it is always allowed.
      let searching = try RunningTool(search(budget: 100_000), in: workspace)
      searching.wait { trials(workspace).count > Self.budget }
      searching.send(SIGSTOP)
      try workspace.run(search(budget: 100_000)).expectFailure("results/study", "in use by another process (")
      try workspace.run("report", Self.study).expectSuccess()
      searching.send(SIGKILL)
      #expect(try searching.finish().code == -SIGKILL)
      try workspace.run(search(budget: Self.budget + 5)).expectSuccess()
      // What the stopped process held back, it had stored.
      #expect(trials(workspace).count >= Self.budget + 5)
    }
  }
}

/// A small generator (SplitMix64), so that a seed decides when a process is killed.
private struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

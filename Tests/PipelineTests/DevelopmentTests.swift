import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Search
import Studies
import Testing

@testable import Pipeline
@testable import Tasks
@testable import Workbench

/// Tasks as objectives, on made-up items in the forms of their authors.
@Suite struct DevelopmentTests {
  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures")
  private let root = Folder()

  /// A folder that is removed at the end of the test.
  private final class Folder {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("nas-search-\(UUID().uuidString)")
    deinit { try? FileManager.default.removeItem(at: url) }
    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func write(_ text: String, _ name: String) throws {
      let place = url.appendingPathComponent(name)
      try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: place)
    }
  }

  private static let words = "the lamp was lit by keeper of a light and sea salt river not so when stone".split(
    separator: " ")

  /// - Returns: PIQA's items and labels, and BoolQ's items.
  private static func files(_ count: Int, seed: UInt64) -> (piqa: String, labels: String, boolq: String) {
    var random = SeededGenerator(seed: seed)
    func text(_ most: Int) -> String {
      (0..<1 + random.integer(below: most)).map { _ in String(words[random.integer(below: words.count)]) }
        .joined(separator: " ")
    }
    var found = (piqa: "", labels: "", boolq: "")
    for _ in 0..<count {
      found.piqa += #"{"goal": "\#(text(6))", "sol1": "\#(text(9))", "sol2": "\#(text(4))"}"# + "\n"
      found.labels += "\(random.integer(below: 2))\n"
      let answer = random.integer(below: 2) == 1
      found.boolq +=
        #"{"title": "t", "passage": "\#(text(12))", "question": "\#(text(5))", "answer": \#(answer)}"# + "\n"
    }
    return found
  }

  init() throws {
    let train = Self.files(9, seed: 1)
    let reported = Self.files(5, seed: 2)
    for (name, text) in [
      ("piqa/train.jsonl", train.piqa), ("piqa/train-labels.lst", train.labels), ("boolq/train.jsonl", train.boolq),
      ("piqa/valid.jsonl", reported.piqa), ("piqa/valid-labels.lst", reported.labels),
    ] { try root.write(text, "data/\(name)") }
  }

  private func settings(
    _ objectives: [String] = ["piqa", "params"], _ change: (inout SearchSettings) -> Void = { _ in }
  ) throws -> SearchSettings {
    var settings = SearchSettings(model: Self.fixtures.appendingPathComponent("models/llama3-gqa").path)
    settings.spaceText = try SpaceLibrary.text(settings.space)
    settings.plan.calibration = [.file(Self.fixtures.appendingPathComponent("text/lighthouse.txt"), field: "text")]
    (settings.plan.calibrationWindows, settings.plan.calibrationLength) = (8, 64)
    (settings.plan.fitnessWindows, settings.plan.fitnessLength) = (4, 32)
    settings.objectives = objectives
    settings.tasks = TaskPlan(folder: root.path("data"))
    change(&settings)
    return settings
  }

  private func context(limit: Int? = nil) -> JobContext {
    JobContext(
      cache: root.url.appendingPathComponent("cache"), memory: MemoryPlan(limit: limit, scratch: root.url),
      toolVersion: "test")
  }

  private func search(
    _ settings: SearchSettings, _ study: String = "study", budget: Int = 10, limit: Int? = nil
  ) throws -> [TrialDescription] {
    let request = SearchRequest(settings, study: root.path(study), budget: SearchBudget(evaluations: budget))
    #expect(try SearchJob(request, in: context(limit: limit)).run() == .complete)
    let opened = try StudyAddress(root.path(study)).opened()
    return try opened.trials().compactMap { try TrialDescription($0, of: opened) }
  }

  private func near(_ a: Double?, _ b: Double, within tolerance: Double = 2e-5) -> Bool {
    a.map { abs($0 - b) < tolerance } ?? false
  }

  /// What `evaluate --tasks` says of the same items and the same subnet, and the loss computed anew from that.
  private func expected(
    _ name: String, _ items: [TaskItem], _ network: some Network, _ dense: LanguageModel
  ) throws -> (loss: Double, error: Double, result: TaskResult) {
    let (kind, tokenizer) = (try TaskKind.named(name), try dense.tokenizer())
    let answers = try TaskExaminer(network, tokenizer).answers(to: items, of: .init(.tasks))
    let others = try TaskExaminer(dense, tokenizer).answers(to: items, of: .init(.tasks))
    func losses(_ answers: [TaskAnswer]) throws -> [Double] {
      try zip(items, answers).map { item, answer in
        guard case .choice(_, let texts, let right?) = item.question, case .likelihoods(let found) = answer else {
          throw CancellationError()
        }
        let scores = zip(found, texts).map {
          kind.primary == .normalised ? $0.sum / Double($1.unicodeScalars.count) : $0.sum
        }
        return -log(exp(scores[right]) / scores.reduce(0) { $0 + exp($1) })
      }
    }
    let differences = zip(try losses(answers), try losses(others)).map { $0 - $1 }
    let (count, mean) = (Double(items.count), differences.reduce(0, +) / Double(items.count))
    let square = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, (square / (count - 1) / count).squareRoot(), TaskResult(kind, items, answers, dense: others))
  }

  @Test(arguments: [nil, 1]) func valuesAreThoseOfEvaluate(limit: Int?) throws {
    let trials = try search(try settings(["piqa", "boolq"]), limit: limit)
    #expect(trials.count == 10)
    let opened = try OpenedStudy(root.path("study"), model: nil, in: context(), .silent)
    let evaluator = try opened.evaluator()
    let folder = try TaskFolder(root.url.appendingPathComponent("data"))
    let stored = try opened.study.trials()
    for (name, metric) in [("piqa", "acc_norm"), ("boolq", "acc")] {
      let items = try TaskKind.named(name).items(in: folder, of: .development)
      #expect(items.count == 9)
      for (trial, found) in zip(stored, trials) {
        let subnet = try evaluator.subnet(opened.bound.genes(trial.genome))
        let expected = try expected(name, items, subnet, opened.model)
        let score = try #require(expected.result.scores.last)
        let measured = found.measurement
        #expect(near(measured.values[name], expected.loss), "\(name) \(trial.number)")
        #expect(near(measured.standardErrors?[name], expected.error))
        #expect(score.metric.rawValue == metric && measured.values["\(name)_\(metric)"] == score.value)
        #expect(near(measured.standardErrors?["\(name)_\(metric)"], try #require(score.standardError)))
        #expect(trial.values[name == "piqa" ? 0 : 1] == measured.values[name])
      }
    }
    #expect(opened.description.dense.values["piqa"] == 0 && opened.description.dense.values["boolq"] == 0)
    #expect(Set(trials.compactMap { $0.measurement.values["piqa"] }).count > 5)
    #expect(opened.description.baselines.allSatisfy { $0.measurement.values["piqa"] != nil })
  }

  /// A draw depends on the seed alone, keeps the order of the file, and a second task changes nothing of it.
  @Test func itemsAreDrawnByTheSeed() throws {
    let model = try LanguageModel(Self.fixtures.appendingPathComponent("models/llama3-gqa"))
    var plan = TaskPlan(folder: root.path("data"))
    plan.items = 4
    func drawn(_ names: [String], seed: UInt64) throws -> [String] {
      let (read, file) = try plan.read(names, seed: seed, model: model)
      #expect(read.sets.map(\.available) == names.map { _ in 9 } && read.sets.map(\.task.items) == names.map { _ in 4 })
      #expect(read.sets[0].files.map(\.name) == ["piqa/train.jsonl", "piqa/train-labels.lst"])
      return file.tasks[0].items.map { String($0.place.split(separator: "/").last ?? "") }
    }
    let one = try drawn(["piqa"], seed: 3)
    #expect(one == one.sorted() && Set(one).count == 4)
    #expect(try drawn(["piqa", "boolq"], seed: 3) == one)
    let others = try (4..<9).map { try drawn(["piqa"], seed: $0) }
    #expect(others.contains { $0 != one })
  }

  @Test func aStudyGoesOnWithItsItemsOnly() throws {
    let settings = try settings { $0.optimizer = .evolution }
    let whole = try search(settings, "whole", budget: 14)
    _ = try search(settings, "parts", budget: 6)
    let parts = try search(settings, "parts", budget: 14)
    #expect(parts.map { $0.measurement.values } == whole.map { $0.measurement.values })
    // Other items, or as many of them.
    let text = Self.files(9, seed: 5)
    let known = try String(contentsOfFile: root.path("data/piqa/train.jsonl"), encoding: .utf8)
    try root.write(text.piqa, "data/piqa/train.jsonl")
    let words = problem { _ = try search(settings, "parts", budget: 16) }
    #expect(words.contains("the development items of piqa in \(root.path("data")) have changed"), "\(words)")
    try root.write(known, "data/piqa/train.jsonl")
    var fewer = settings
    fewer.tasks?.items = 5
    #expect(problem { _ = try search(fewer, "parts", budget: 16) }.contains("task items was not given, now 5"))
    var other = settings
    other.objectives = ["boolq", "params"]
    #expect(
      problem { _ = try search(other, "parts", budget: 16) }.contains("objectives was piqa,params, now boolq,params"))
    #expect(try search(settings, "parts", budget: 16).count == 16)
  }

  /// A worker needs the study alone, and finds what the search found.
  @Test func workersAskTheStudysItems() throws {
    let trials = try search(try settings(), budget: 6)
    try FileManager.default.removeItem(atPath: root.path("data"))
    let worker = try WorkerJob(WorkerRequest(study: root.path("study")), in: context()).prepare(.silent)
    let stored = try worker.study.trials()
    let genes = stored.map { worker.evaluator.bound.genes($0.genome) }
    let rungs = FidelityRungs(windows: worker.evaluator.reference.windows.count, count: 1)
    let found = try worker.evaluator.trials(genes, rungs: rungs, monitor: .silent) { _ in [] }
    #expect(found.count == 6)
    for (trial, found) in zip(trials, found) {
      let (known, anew) = (trial.measurement, try found.get().measurement)
      #expect(known.values.count == anew.values.count && known.values["piqa"] != nil)
      for (name, value) in known.values {
        #expect(near(anew.values[name], value, within: 1e-5 * max(1, abs(value))), "\(name)")
      }
    }
    try worker.study.close()
  }

  @Test func damagedItemsAreSaid() throws {
    _ = try search(try settings(), budget: 4)
    let whole = try String(contentsOfFile: root.path("study/tasks.json"), encoding: .utf8)
    for (part, other) in [
      ("\"right\":", "\"right\":7"), ("\"scored\":", "\"scored\":99"), ("\"lengths\":[", "\"lengths\":[3,"), ("{", "["),
      ("\"tokens\":[", "\"tokens\":[99999,"), ("\"metric\":\"acc_norm\"", "\"metric\":\"acc\""),
    ] {
      let place = try #require(whole.range(of: part))
      try root.write(whole.replacingCharacters(in: place, with: other), "study/tasks.json")
      let job = WorkerJob(WorkerRequest(study: root.path("study")), in: context())
      #expect(problem { _ = try job.prepare(.silent) }.contains("study/tasks.json: "), "\(other)")
    }
    try FileManager.default.removeItem(atPath: root.path("study/tasks.json"))
    let job = WorkerJob(WorkerRequest(study: root.path("study")), in: context())
    #expect(problem { _ = try job.prepare(.silent) }.contains("the development items are missing"))
    // Looking at the study does not need them.
    #expect(try ReportBuilder.report(root.path("study")).trials.count == 4)
  }

  @Test func whatIsWrongIsSaidBeforeTheSearch() throws {
    func expect(
      _ words: String, _ settings: SearchSettings, sourceLocation: SourceLocation = #_sourceLocation
    ) {
      let found = problem { _ = try search(settings) }
      #expect(found.contains(words), "\(found)", sourceLocation: sourceLocation)
      #expect(!FileManager.default.fileExists(atPath: root.path("study")), sourceLocation: sourceLocation)
    }
    expect("piqa needs --task-data", try settings { $0.tasks = nil })
    expect("--task-data is for objectives that are tasks: boolq, piqa", try settings(["kl", "params"]))
    expect("unknown objective 'pica'", try settings(["pica", "params"]))
    expect("--task-items must be between 2", try settings { $0.tasks?.items = 1 })
    expect("--rungs is for searches without tasks", try settings { $0.rungs = 3 })
    expect("'gsm8k' has no development file", try settings(["gsm8k", "params"]))
    expect("'lambada_openai' has no development file", try settings(["params", "lambada_openai"]))
    expect("no file of the task 'sciq' here; looked for SciQ/train.json", try settings(["sciq", "params"]))
    expect("there is no such folder", try settings { $0.tasks?.folder = "nowhere" })
    try root.write("{\"goal\": 3}\n", "data/piqa/train.jsonl")
    expect("train-labels.lst: it has 9 labels for 1 items", try settings())
    try root.write(String(contentsOfFile: root.path("data/piqa/valid.jsonl"), encoding: .utf8), "data/piqa/train.jsonl")
    expect("piqa/valid.jsonl, of which accuracies are reported", try settings())
  }
}

/// The words of an error.
private func problem(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "nothing was wrong"
  } catch {
    return "\(error)"
  }
}

import Calibration
import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Methods
import Reports
import Runtime
import Workbench

/// Named methods at several sizes on one model: every one with the same calibration and the same evaluation.
///
/// The folder holds the state, written after every cell, so that a comparison that was stopped or killed goes on where it
/// ended.
public final class ComparisonSession {
  /// Everything that decides what is measured. A comparison goes on with an equal request, or one with more methods or
  /// sizes.
  public struct Request: Codable, Equatable, Sendable {
    public var model: String
    public var methods: [String]
    public var keeps: [Double]
    public var plan: CalibrationPlan
    /// The texts that are evaluated on.
    public var texts: [CalibrationSource]
    /// Tokens in an evaluation window.
    public var window: Int
    /// Most evaluation windows of each text.
    public var windows: Int
    /// `method.setting=value` each.
    public var assignments: [String]
    /// `nil` lets held-out tokens choose.
    public var damping: Double?

    public init(
      model: String, methods: [String], keeps: [Double], plan: CalibrationPlan, texts: [CalibrationSource], window: Int,
      windows: Int, assignments: [String], damping: Double?
    ) {
      self.model = model
      self.methods = methods
      self.keeps = keeps
      self.plan = plan
      self.texts = texts
      self.window = window
      self.windows = windows
      self.assignments = assignments
      self.damping = damping
    }
  }

  /// What happens beside the progress of stages.
  public enum Event: Monitor.Event {
    /// Cells that earlier runs measured.
    case resumed(cells: Int)
    case cell(MethodComparison.Cell, done: Int, total: Int)
  }

  private struct State: Codable {
    var schema = "nas-search.comparison-state"
    var version = 1
    var fingerprint: String
    var request: Request
    var comparison: MethodComparison
  }

  public static let stateFile = "comparison.state.json"
  public let directory: URL
  public private(set) var comparison: MethodComparison
  private let request: Request
  private let entries: [Entry]
  private let opened: OpenedBench
  private var bench: Workbench { opened.bench }
  private let texts: [TokenWindows]
  private let monitor: Monitor

  /// Opens or begins a comparison.
  ///
  /// - Parameters:
  ///   - command: the command line that makes or resumes it.
  ///   - monitor: hears of progress and of every `Event`; after a cancellation the same request goes on.
  /// - Throws: before anything slow, whatever is wrong with the request.
  public init(
    _ request: Request, directory: URL, cache: URL, command: String, toolVersion: String,
    memory: MemoryPlan, monitor: Monitor
  ) throws {
    self.request = request
    self.directory = directory
    self.monitor = monitor
    entries = try Self.entries(request)
    let model = try LanguageModel(URL(fileURLWithPath: request.model), memory: memory)
    texts = try Self.texts(request, model)
    try Self.check(directory, keeping: model.location)
    let known = try Self.state(in: directory, request, entries, fingerprint: model.fingerprint())
    let stored = try known.map { state in
      try CalibrationFile(
        directory: directory, model: state.fingerprint, vocabulary: model.configuration.vocabularySize)
    }
    opened = try OpenedBench(
      model, request.plan, stored: stored, damping: request.damping, cache: cache,
      monitor)
    let described = entries.map { entry in
      MethodComparison.Method(
        name: entry.label, summary: entry.method.summary, source: entry.method.source,
        usesGradients: !entry.method.gradients.isEmpty, settings: entry.values.described)
    }
    if let known {
      comparison = known.comparison
      comparison.command = command
      comparison.methods = described
      monitor.tell(Event.resumed(cells: comparison.cells.count))
      return
    }
    comparison = MethodComparison(
      ModelSummary(name: model.name, fingerprint: opened.bench.fingerprint, model.configuration), methods: described,
      calibration: opened.calibration.summary, command: command, toolVersion: toolVersion)
    for (number, windows) in texts.enumerated() {
      try monitor.advance(.init(.texts), number, of: texts.count)
      let text = request.texts[number]
      let hash = try text.url.map(CalibrationFile.sha256)
      let isKnown = opened.calibration.sets.contains { $0.sha256 == hash }
      comparison.texts.append(
        .init(
          name: text.name + (isKnown ? " (calibrated on)" : ""),
          windows: windows.count, windowLength: windows.length, densePerplexity: try perplexity(model, windows)))
    }
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try opened.calibration.write(to: directory)
    try stages()
    try save()
  }

  /// Measures the cells that are missing.
  public func run() throws {
    _ = try bench.reference()
    let total = entries.count * request.keeps.count
    for entry in entries {
      for keep in request.keeps where comparison.cell(entry.label, keep) == nil {
        let cell = try measure(entry, keep)
        comparison.cells.append(cell)
        try save()
        monitor.tell(Event.cell(cell, done: comparison.cells.count, total: total))
      }
    }
    try save()
  }

  /// The computations that methods share, each on its own: what forward passes need, and what gradients do.
  private func stages() throws {
    func add(_ name: String, _ cost: ComputationCost?) {
      guard let cost else { return }
      comparison.stages.append(.init(name: name, seconds: cost.seconds, peakBytes: cost.peakBytes))
    }
    add("statistics (forward pass)", try bench.statistics().cost)
    let gradients: [(BackwardPass.Scalar, String)] = [(.loss, "loss"), (.sampledLoss, "loss on sampled tokens")]
    for (scalar, name) in gradients where entries.contains(where: { $0.method.gradients.contains(scalar) }) {
      add(
        "gradients of the \(name) (backward pass)",
        try bench.gradients(of: scalar, samples: GradientStore.windows).cost)
    }
  }

  private func measure(_ entry: Entry, _ keep: Double) throws -> MethodComparison.Cell {
    let configuration = bench.model.configuration
    bench.openAccount()
    var cell = MethodComparison.Cell(method: entry.label, keepTarget: keep)
    let restarted = ProcessMemory.restartPeak()
    do {
      let pruned = try entry.method.prune(
        bench, budget: SizeTarget.keep(keep).blockParameters(of: configuration), entry.values)
      cell.peakBytes = restarted ? ProcessMemory.peak.map { max($0, bench.borrowedPeak) } : nil
      cell.kl = try bench.reference().compare(pruned.network).divergence
      cell.perplexities = try texts.enumerated().map { number, windows in
        try monitor.advance(.init(.texts, of: "\(entry.label) at \(keep)"), number, of: texts.count)
        return try perplexity(pruned.network, windows)
      }
      let shape = pruned.network.configuration
      cell.keepRatio = configuration.keepRatio(of: shape)
      (cell.parametersBlock, cell.parametersTotal) = (shape.blockParameters, shape.totalParameters)
      cell.repair = pruned.repair.rawValue
    } catch let error as MethodError {
      // The request is fine, this method at this size is not: the table says so.
      cell = MethodComparison.Cell(method: entry.label, keepTarget: keep)
      cell.failure = error.description
    }
    cell.scoreSeconds = bench.seconds(.score)
    cell.searchSeconds = bench.seconds(.search)
    cell.repairSeconds = bench.seconds(.repair)
    return cell
  }

  /// In groups of windows, which bounds memory.
  private func perplexity(_ network: some Network, _ windows: TokenWindows) throws -> Double {
    let group = max(1, 8192 / windows.length)
    var losses: [Double] = []
    for first in stride(from: 0, to: windows.count, by: group) {
      losses += try Perplexity(network, windows: windows.windows(first..<min(first + group, windows.count)))
        .windowMeans
    }
    return exp(losses.reduce(0, +) / Double(losses.count))
  }
}

extension ComparisonSession {
  /// A row of the comparison: a method, or a variant of one, such as `ours-fast:repair=none:step=8`.
  private struct Entry {
    let label: String
    let method: any PruningMethod
    let values: SettingValues
  }

  /// The methods asked for, and `uniform` beside them.
  private static func entries(_ request: Request) throws -> [Entry] {
    let control = MethodRegistry.control
    let labels = request.methods.contains(control) ? request.methods : request.methods + [control]
    if let twice = labels.indices.first(where: { labels[..<$0].contains(labels[$0]) }) {
      throw PipelineError.invalidOption("--methods has '\(labels[twice])' twice")
    }
    let names = labels.map(MethodRegistry.baseName)
    for assignment in request.assignments {
      let name = assignment.split(separator: "=", omittingEmptySubsequences: false)[0].split(separator: ".")[0]
      guard names.contains(String(name)), assignment.contains("."), assignment.contains("=") else {
        throw PipelineError.invalidOption(
          "--set is METHOD.SETTING=VALUE with one of the methods compared, not '\(assignment)'")
      }
    }
    return try labels.map { label in
      let parts = label.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      let method = try MethodRegistry.named(parts[0])
      let prefix = method.name + "."
      let shared = request.assignments.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
      // A variant's own settings come last and win.
      return Entry(label: label, method: method, values: try SettingValues(of: method, shared + parts.dropFirst()))
    }
  }

  private static func texts(_ request: Request, _ model: LanguageModel) throws -> [TokenWindows] {
    let tokenizer = try model.tokenizer()
    return try request.texts.map { source in
      guard let path = source.url?.relativePath else {
        throw PipelineError.invalidOption("--text is a file, not 'self'")
      }
      let tokens = try model.checked(tokenizer.runningTokens(TextCorpus.read(source)), of: path, tokenizer)
      let count = min(tokens.count / request.window, request.windows)
      guard count > 0 else {
        throw CalibrationError.tooShort(source: path, tokens: tokens.count, window: request.window, needed: 1)
      }
      return TokenWindows(length: request.window, tokens: Array(tokens.prefix(count * request.window)))
    }
  }

  // MARK: - State

  /// Files that a comparison's folder holds.
  private static let files = [
    stateFile, CalibrationFile.name, "comparison.csv", "comparison.json", "comparison.html", "winners.md",
  ]

  /// Whether the folder takes the comparison's files: it is new, empty or one of a comparison, and can be written.
  private static func check(_ directory: URL, keeping model: URL) throws {
    try Destination(directory.appendingPathComponent(stateFile), .file) { _ in nil }.keepApart(from: model)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
    let foreign = names.filter { name in !files.contains { name == $0 || name.hasPrefix(".\($0).") } }.sorted()
    if let name = foreign.first, !names.contains(stateFile) {
      throw CheckpointError.unwritable(
        path: directory.path, reason: "it is a folder of other things than a comparison, such as '\(name)'")
    }
    for name in files {
      do {
        try Destination(directory.appendingPathComponent(name), .file) { _ in nil }.rehearse()
      } catch CheckpointError.unwritable(let path, let reason) where names.isEmpty {
        throw CheckpointError.unwritable(path: (path as NSString).deletingLastPathComponent, reason: reason)
      }
    }
  }

  private static func state(
    in directory: URL, _ request: Request, _ entries: [Entry],
    fingerprint: String
  ) throws -> State? {
    let url = directory.appendingPathComponent(stateFile)
    guard FileManager.default.fileExists(atPath: url.path) else { return nil }
    let decoder = StoredJSON.decoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let data = try? Data(contentsOf: url), let state = try? decoder.decode(State.self, from: data) else {
      throw PipelineError.damaged(path: url.path, problem: "the comparison cannot be read")
    }
    guard state.fingerprint == fingerprint else {
      throw PipelineError.damaged(
        path: url.path, problem: "it was made for the model \(state.fingerprint), not \(fingerprint)")
    }
    // Paths may differ where the same model has moved.
    var other = request
    (other.model, other.methods, other.keeps) = (state.request.model, state.request.methods, state.request.keeps)
    other.assignments = state.request.assignments
    guard state.request == other else {
      throw PipelineError.settingsDiffer(
        study: directory.path, difference: "the comparison has another calibration, other texts or another seed")
    }
    for known in state.comparison.methods {
      guard let entry = entries.first(where: { $0.label == known.name }) else {
        throw PipelineError.settingsDiffer(
          study: directory.path, difference: "it compares '\(known.name)' too, and the request does not")
      }
      guard entry.values.described == known.settings else {
        throw PipelineError.settingsDiffer(
          study: directory.path, difference: "'\(known.name)' has other settings there")
      }
    }
    guard Set(request.keeps).isSuperset(of: state.request.keeps) else {
      throw PipelineError.settingsDiffer(study: directory.path, difference: "it has sizes that are not asked for")
    }
    return state
  }

  /// The best methods, and how ours stand against the best of the published.
  private var winners: String {
    let own = comparison.methods.filter { $0.source == "nas-search" }.map(\.name)
    let published = comparison.methods.filter { $0.source.contains("arXiv") }.map(\.name)
    let losses = WinnersTable.losses(comparison, of: own, against: published)
    return WinnersTable.markdown(comparison)
      + (losses.isEmpty ? "" : "\nLoss in log-perplexity as a share of that of the best published method:\n\n" + losses)
  }

  private func save() throws {
    let encoder = StoredJSON.encoder(indented: true)
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let state = State(fingerprint: bench.fingerprint, request: request, comparison: comparison)
    try AtomicFile.write(encoder.encode(state), to: directory.appendingPathComponent(Self.stateFile))
    try AtomicFile.write(ComparisonCSV.data(comparison), to: directory.appendingPathComponent("comparison.csv"))
    try AtomicFile.write(ComparisonJSON.data(comparison), to: directory.appendingPathComponent("comparison.json"))
    try AtomicFile.write(
      Data(winners.utf8), to: directory.appendingPathComponent("winners.md"))
    try AtomicFile.write(ComparisonPage.data(comparison), to: directory.appendingPathComponent("comparison.html"))
  }
}

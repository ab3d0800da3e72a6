import Calibration
import Evaluation
import Foundation
import Importance
import LanguageModels
import Methods
import Reformation
import Reports
import Runtime
import Tasks
import Workbench

/// Measures named methods at several sizes on one model: every one with the same calibration and the same evaluation.
///
/// The folder holds the state, written after every cell, so that a comparison that was stopped or killed goes on where it
/// ended.
public struct CompareJob {
  /// What happens beside the progress of stages.
  public enum Event: Monitor.Event {
    /// Cells that earlier runs measured.
    case resumed(cells: Int)
    case cell(MethodComparison.Cell, done: Int, total: Int)
  }

  private let request: CompareRequest
  private let folder: ComparisonFolder
  private let command: String
  private let context: JobContext

  /// - Parameters:
  ///   - folder: of the comparison; made, or resumed.
  ///   - command: the command line that makes or resumes it.
  public init(_ request: CompareRequest, folder: String, command: String, in context: JobContext) {
    (self.request, self.command, self.context) = (request, command, context)
    self.folder = ComparisonFolder(url: URL(fileURLWithPath: folder))
  }

  /// - Parameter monitor: hears of progress and of every `Event`; after a cancellation the same request goes on.
  /// - Throws: whatever is wrong with the request, before anything slow; `CancellationError`.
  public func run(_ monitor: Monitor = .silent) throws -> MethodComparison {
    var prepared = try prepare(monitor)
    try prepared.run(request.keeps, monitor)
    return prepared.state.comparison
  }

  func prepare(_ monitor: Monitor) throws -> PreparedComparison {
    try request.validate()
    let request = try request.lookedAt()
    let entries = try request.entries()
    let asked = try request.tasks?.questions() ?? []
    let model = try context.model(request.model)
    let texts = try windows(model)
    try folder.check(keeping: model.location)
    let fingerprint = try model.fingerprint()
    let known = try folder.state(request, entries, fingerprint: fingerprint)
    let stored = try known.map { _ in
      try CalibrationFile(
        directory: folder.url, model: fingerprint, vocabulary: model.configuration.vocabularySize)
    }
    let opened = try OpenedBench.open(
      model, request.plan, stored: stored, damping: request.damping, in: context, monitor)
    let methods = entries.map { entry in
      MethodComparison.Method(
        name: entry.label, summary: entry.method.summary, source: entry.method.source,
        usesGradients: !entry.method.gradients.isEmpty, settings: entry.values.described)
    }
    var comparison =
      known?.comparison
      ?? MethodComparison(
        ModelSummary(name: model.name, fingerprint: fingerprint, model.configuration), methods: methods,
        calibration: opened.calibration.summary, command: command, toolVersion: context.toolVersion)
    (comparison.command, comparison.methods) = (command, methods)
    var prepared = PreparedComparison(
      folder: folder, entries: entries, bench: opened.bench, texts: texts, asked: asked,
      state: .init(fingerprint: fingerprint, request: request, comparison: comparison))
    if known != nil {
      monitor.tell(Event.resumed(cells: comparison.cells.count))
    } else {
      try prepared.begin(request.texts, opened.calibration, monitor)
    }
    return prepared
  }

  private func windows(_ model: LanguageModel) throws -> [TokenWindows] {
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
}

/// A comparison whose missing cells can be measured.
struct PreparedComparison {
  let folder: ComparisonFolder
  let entries: [CompareRequest.Entry]
  let bench: Workbench
  let texts: [TokenWindows]
  let asked: [TaskRequest.Asked]
  var state: ComparisonFolder.State
  /// What the dense model says to the items of each task; empty until it is asked.
  private var denseAnswers: [[TaskAnswer]] = []

  init(
    folder: ComparisonFolder, entries: [CompareRequest.Entry], bench: Workbench, texts: [TokenWindows],
    asked: [TaskRequest.Asked], state: ComparisonFolder.State
  ) {
    (self.folder, self.entries, self.bench, self.texts) = (folder, entries, bench, texts)
    (self.asked, self.state) = (asked, state)
  }

  /// Asks the dense model, to which all cells are compared.
  private mutating func askDense(_ monitor: Monitor) throws {
    guard denseAnswers.isEmpty, !asked.isEmpty else { return }
    denseAnswers = try answers(of: bench.model, monitor)
    state.comparison.tasks = zip(asked, denseAnswers).flatMap { asked, answers in
      TaskResult(asked.kind, asked.items, answers).scores.map {
        MethodComparison.EvaluationTask(asked.kind, $0, items: asked.items.count)
      }
    }
  }

  private func answers(of network: some Network, _ monitor: Monitor) throws -> [[TaskAnswer]] {
    let examiner = TaskExaminer(network, try bench.model.tokenizer())
    return try asked.map { try examiner.answers(to: $0.items, of: .init(.tasks, of: $0.kind.name), monitor) }
  }

  /// What a subnet reaches in the tasks; `nil` without any.
  private func scores(of network: some Network, _ monitor: Monitor) throws -> [MethodComparison.TaskValue]? {
    if asked.isEmpty { return nil }
    return zip(zip(asked, denseAnswers), try answers(of: network, monitor)).flatMap { known, own in
      TaskResult(known.0.kind, known.0.items, own, dense: known.1).scores.map(MethodComparison.TaskValue.init)
    }
  }

  /// Measures the dense model on the texts, and what methods share.
  mutating func begin(_ sources: [CalibrationSource], _ calibration: CalibrationFile, _ monitor: Monitor) throws {
    for (number, (text, windows)) in zip(sources, texts).enumerated() {
      try monitor.advance(.init(.texts), number, of: texts.count)
      let hash = try text.url.map(CalibrationFile.sha256)
      let isKnown = calibration.sets.contains { $0.sha256 == hash }
      state.comparison.texts.append(
        .init(
          name: text.name + (isKnown ? " (calibrated on)" : ""), windows: windows.count, windowLength: windows.length,
          densePerplexity: try Perplexity(bench.model, windowsInGroups: windows).value))
    }
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    try calibration.write(to: folder.url)
    try stages()
    try folder.save(state)
  }

  /// Measures the cells that are missing.
  mutating func run(_ keeps: [Double], _ monitor: Monitor) throws {
    _ = try bench.reference()
    let isWhole = entries.allSatisfy { entry in keeps.allSatisfy { state.comparison.cell(entry.label, $0) != nil } }
    if !isWhole { try askDense(monitor) }
    let total = entries.count * keeps.count
    for entry in entries where !entries.contains(where: { $0.label == entry.untrained }) {
      for keep in keeps {
        // A training starts from the subnet that was just made.
        var made: PrunedModel?
        for entry in [entry] + entries.filter({ $0.untrained == entry.label })
        where state.comparison.cell(entry.label, keep) == nil {
          let cell = try measure(entry, keep, &made, monitor)
          state.comparison.cells.append(cell)
          try folder.save(state)
          monitor.tell(CompareJob.Event.cell(cell, done: state.comparison.cells.count, total: total))
        }
      }
    }
    try folder.save(state)
  }

  /// The computations that methods share, each on its own: what forward passes need, and what gradients do.
  private mutating func stages() throws {
    func add(_ name: String, _ cost: ComputationCost?) {
      guard let cost else { return }
      state.comparison.stages.append(.init(name: name, seconds: cost.seconds, peakBytes: cost.peakBytes))
    }
    add("statistics (forward pass)", try bench.statistics().cost)
    let gradients: [(BackwardPass.Scalar, String)] = [(.loss, "loss"), (.sampledLoss, "loss on sampled tokens")]
    for (scalar, name) in gradients where entries.contains(where: { $0.method.gradients.contains(scalar) }) {
      add(
        "gradients of the \(name) (backward pass)",
        try bench.saliencies(of: scalar, windows: GradientStore.windows).cost)
    }
  }

  /// - Parameter made: in, the subnet of the row without training, if it was just made; out, the one of this row.
  private func measure(
    _ entry: CompareRequest.Entry, _ keep: Double, _ made: inout PrunedModel?, _ monitor: Monitor
  ) throws -> MethodComparison.Cell {
    let configuration = bench.model.configuration
    bench.openAccount()
    let isContinued = made != nil
    var cell = MethodComparison.Cell(method: entry.label, keepTarget: keep)
    let restarted = ProcessMemory.restartPeak()
    do {
      let pruned =
        try made.map { try bench.descending($0) }
        ?? entry.method.prune(
          bench, budget: SizeTarget.keep(keep).blockParameters(of: configuration), entry.values)
      cell.peakBytes = restarted ? ProcessMemory.peak.map { max($0, bench.borrowedPeak) } : nil
      cell.kl = try bench.reference().compare(pruned.network).divergence
      cell.perplexities = try texts.enumerated().map { number, windows in
        try monitor.advance(.init(.texts, of: "\(entry.label) at \(keep)"), number, of: texts.count)
        return try Perplexity(pruned.network, windowsInGroups: windows).value
      }
      cell.scores = try scores(of: pruned.network, monitor)
      let shape = pruned.network.configuration
      cell.keepRatio = configuration.keepRatio(of: shape)
      (cell.parametersBlock, cell.parametersTotal) = (shape.blockParameters, shape.totalParameters)
      cell.repair = pruned.repair.rawValue
      made = pruned
    } catch let error where Self.isOfTheMethod(error) {
      // The request is fine, this method at this size or for this model is not: the table says so.
      cell = MethodComparison.Cell(method: entry.label, keepTarget: keep)
      cell.failure = "\(error)"
    }
    let seconds = bench.seconds
    let before = isContinued ? entry.untrained.flatMap { state.comparison.cell($0, keep) } : nil
    cell.scoreSeconds = (before?.scoreSeconds ?? 0) + (seconds[.score] ?? 0)
    cell.searchSeconds = (before?.searchSeconds ?? 0) + (seconds[.search] ?? 0)
    cell.repairSeconds = (before?.repairSeconds ?? 0) + (seconds[.repair] ?? 0)
    return cell
  }

  /// Whether another method may do what one cannot.
  private static func isOfTheMethod(_ error: any Error) -> Bool {
    if case ImportanceError.noExperts = error { return true }
    return error is MethodError || error as? ReformationError == .expertsTakeNoBias
  }
}

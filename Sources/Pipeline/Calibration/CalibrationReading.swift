import Calibration
import Checkpoints
import Evaluation
import LanguageModels
import LinearAlgebra
import Runtime
import Tokenizers

extension CalibrationFile {
  /// Reads or samples the sets of a plan. Fitness windows are shared out between the sources.
  ///
  /// Documents are filtered before a text is cut into windows; a loss band looks at as many windows as it takes, and
  /// never at those for fitness. Subsets are dealt from what is left.
  ///
  /// - Parameters:
  ///   - precision: in which the model runs while text is sampled from it.
  ///   - monitor: hears of sampling from the model, in tokens.
  /// - Throws: `CalibrationError`, and what the monitor throws.
  static func read(
    _ plan: CalibrationPlan, model: LanguageModel, precision: Precision = .single, _ monitor: Monitor
  ) throws -> CalibrationFile {
    let sources = try plan.sources()
    let reader = CalibrationReader(
      plan: plan, model: model, tokenizer: try model.tokenizer(), sources: sources.count, precision: precision)
    // Texts first: what is wrong with one shows before the slow sampling.
    let texts = try sources.map { try $0 == .model ? nil : reader.read($0) }
    let sets = try zip(sources, texts).flatMap { source, text in
      try reader.sets(source, text ?? (reader.sample(monitor), nil))
    }
    return CalibrationFile(model: try model.fingerprint(), sets: sets)
  }
}

extension CalibrationPlan {
  /// Windows of a source that are dealt out to its sets.
  fileprivate var wanted: Int { max(calibrationWindows * subsets, descentWindows ?? 0) }

  /// Windows to cut from a source, one of several, before a loss band leaves some of them out.
  fileprivate func cut(sources: Int) -> CalibrationSet.Plan {
    CalibrationSet.Plan(
      windows: candidates(for: wanted), length: calibrationLength, fitnessWindows: max(1, fitnessWindows / sources),
      fitnessLength: fitnessLength)
  }

  private func candidates(for count: Int) -> Int { filter.lossBand?.candidates(for: count) ?? count }

  /// The same of the model itself, in two parts: what a descent wants beside is sampled apart, so that the first part
  /// does not depend on it.
  fileprivate func sampled(sources: Int) -> [CalibrationSet.Plan] {
    var (first, rest) = (cut(sources: sources), cut(sources: sources))
    first.windows = candidates(for: calibrationWindows * subsets)
    (rest.windows, rest.fitnessWindows) = (rest.windows - first.windows, 0)
    return rest.windows > 0 ? [first, rest] : [first]
  }

  /// Tokens that are sampled from the model; 0 where all text is read.
  func sampledTokens() throws -> Int {
    let sources = try sources()
    return sources.contains(.model)
      ? sampled(sources: sources.count).map(\.sampled).reduce(0) { $0 + $1.sequences * $1.length } : 0
  }
}

/// Turns sources into sets by one plan.
private struct CalibrationReader {
  let plan: CalibrationPlan
  let model: LanguageModel
  let tokenizer: Tokenizer
  /// How many share the fitness windows.
  let sources: Int
  let precision: Precision

  private var filter: CalibrationFilter { plan.filter }
  private var cut: CalibrationSet.Plan { plan.cut(sources: sources) }

  func sample(_ monitor: Monitor) throws -> CalibrationSet {
    let parts = try plan.sampled(sources: sources).enumerated().map { number, part in
      try CalibrationSet(
        sampledFrom: model, tokenizer: tokenizer, plan: part, seed: plan.seed &+ UInt64(number) << 32,
        precision: precision, monitor: monitor)
    }
    return CalibrationSet(
      name: parts[0].name,
      calibration: TokenWindows(length: plan.calibrationLength, tokens: parts.flatMap(\.calibration.tokens)),
      fitness: parts[0].fitness)
  }

  func read(_ source: CalibrationSource) throws -> (set: CalibrationSet, report: FilterReport?) {
    var report: FilterReport?
    let text: String
    if filter.filtersDocuments {
      let found = filter.documents(try TextDocuments.read(source)) {
        tokenizer.encode($0, addSpecialTokens: false).count
      }
      report = found.report
      text = found.kept.joined(separator: TextDocuments.separator)
    } else {
      text = try TextCorpus.read(source)
    }
    do {
      let tokens = try model.checked(
        tokenizer.encode(text, addSpecialTokens: false), of: source.url?.path ?? source.name, tokenizer)
      return (try CalibrationSet(name: source.name, tokens: tokens, plan: cut, seed: plan.seed), report)
    } catch CalibrationError.tooShort(let name, let tokens, let window, let needed) {
      let path = source.url?.path ?? name
      guard let report, report.documentsDropped > 0 else {
        throw CalibrationError.tooShort(source: path, tokens: tokens, window: window, needed: needed)
      }
      throw CalibrationError.unusable(
        path,
        reason: "the filters dropped \(report.documentsDropped) of \(report.documents) documents, and the \(tokens) "
          + "tokens left are too short for \(needed) windows of \(window)")
    }
  }

  /// The sets of one source: its windows within the loss band, dealt out to subsets.
  func sets(
    _ source: CalibrationSource, _ found: (set: CalibrationSet, report: FilterReport?)
  ) throws -> [CalibrationFile.StoredSet] {
    var (windows, report) = (found.set.calibration, found.report)
    let path = source.url?.path ?? source.name
    if let band = filter.lossBand {
      let kept = band.kept(try Perplexity(model, windowsInGroups: windows).windowMeans)
      if kept.indices.isEmpty {
        throw CalibrationError.unusable(
          path, reason: "none of \(windows.count) windows lies in the loss band \(band)")
      }
      var counted = report ?? FilterReport()
      counted.windows = windows.count
      counted.windowsOutsideBand = windows.count - kept.indices.count
      counted.lowestLoss = kept.limits?.lowerBound
      counted.highestLoss = kept.limits?.upperBound
      report = counted
      windows = windows.selecting(kept.indices)
    }
    // A text too short for all windows gives one set what there is; subsets of different sizes would not compare.
    guard plan.subsets == 1 || windows.count >= plan.wanted else {
      throw CalibrationError.unusable(
        path,
        reason: "\(windows.count) calibration windows of \(windows.length) tokens are too few for \(plan.subsets) "
          + "subsets of \(plan.calibrationWindows)")
    }
    if windows.count < plan.wanted {
      Notices.tell("\(path) gives \(windows.count) calibration windows of \(windows.length) tokens, not \(plan.wanted)")
    }
    let hash = try source.url.map(CalibrationFile.sha256)
    return (1...plan.subsets).map { subset in
      let first = (subset - 1) * plan.calibrationWindows
      let end = min(first + plan.calibrationWindows, windows.count)
      let further = windows.windows(end..<max(end, min(plan.descentWindows ?? end, windows.count)))
      let name = plan.setName(source, subset)
      return CalibrationFile.StoredSet(
        name: name, source: source.url?.relativePath ?? "self", sha256: hash,
        windows: CalibrationSet(
          name: name, calibration: windows.windows(first..<end), fitness: found.set.fitness, further: further),
        seed: plan.seed, subset: plan.subsets > 1 ? subset : nil, filter: filter.isOff ? nil : filter, filtered: report)
    }
  }
}

import Foundation
import Pipeline
import Reports
import Runtime
import Synchronization

/// Shows what a monitor hears: a bar on a terminal, single lines elsewhere.
final class ProgressDisplay: Sendable {
  private struct State {
    var lineIsOpen = false
    var stage = StageProgress()
    /// When a line of a log last told of the search.
    var noted = 0.0
    /// When candidates began to be evaluated, if that goes on.
    var candidatesBegan: Double?
  }

  private let terminal = Console.errorIsTerminal
  private let quiet: Bool
  private let state = Mutex(State())
  private let start = ContinuousClock.now
  private var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// Seconds of evaluation after which its progress is worth showing.
  private static let patience = 5.0

  init(quiet: Bool) { self.quiet = quiet }

  /// Runs a job, and ends the line of its progress when the job is over.
  static func during<Outcome>(quiet: Bool, _ job: (Monitor) throws -> Outcome) throws -> Outcome {
    let display = ProgressDisplay(quiet: quiet)
    do {
      let outcome = try job(display.monitor)
      display.finish()
      return outcome
    } catch let error as CancellationError {
      display.finish()
      throw error
    }
  }

  /// Shows everything, and cancels after Ctrl-C if the command asked for that (`Interrupt.install`).
  var monitor: Monitor { Monitor(isCancelled: { Interrupt.requested }, hear: { [self] in show($0) }) }

  private func show(_ event: any Monitor.Event) {
    if quiet && !(event is JobWarning) { return }
    state.withLock { state in
      switch event {
      case let warning as JobWarning:
        finish(&state)
        Console.warn(warning.text)
      case let work as WorkEstimated:
        note(work.estimate.text(cache: work.cache), &state)
      case let work as WorkRecord:
        note(work.text, &state)
      case let progress as Monitor.Progress: show(progress, &state)
      case let event as SearchJob.Event: show(event, &state)
      case let event as WorkerJob.Event: show(event, &state)
      case let event as CompareJob.Event: show(event, &state)
      default: break
      }
    }
  }

  private func show(_ progress: Monitor.Progress, _ state: inout State) {
    if progress.stage.kind == .candidates {
      let began = state.candidatesBegan ?? seconds
      state.candidatesBegan = began
      if seconds - began < Self.patience { return }
    }
    let name = progress.stage.description
    if terminal {
      line(state.stage.line(name, done: progress.done, total: progress.total, at: seconds), &state)
    } else {
      state.stage.log(name, done: progress.done, total: progress.total, at: seconds).forEach(Console.note)
    }
  }

  private func show(_ event: SearchJob.Event, _ state: inout State) {
    switch event {
    case .damping(let damping, let isChosen):
      finish(&state)
      if isChosen { Console.note("damping \(damping) of the mean diagonal, chosen by held-out error") }
    case .optimizer(let optimizer):
      note("optimizer: \(optimizer.description)", &state)
    case .resumed(let evaluations):
      note("resuming: \(evaluations) evaluations are stored", &state)
    case .progress(let progress, let generation, let front):
      state.candidatesBegan = nil
      let ended = state.stage.end(at: seconds)
      if !terminal { ended.forEach(Console.note) }
      // Optimisers without generations are heard of now and then.
      if !terminal, generation != nil || seconds - state.noted >= StageProgress.pause {
        Console.note(ProgressLine.generation(generation, front: front, progress))
        state.noted = seconds
      }
      if terminal { line(ProgressLine.bar(progress, width: Console.width(2) - 1), &state) }
    }
  }

  private func show(_ event: WorkerJob.Event, _ state: inout State) {
    switch event {
    case .ready(let study): note("working for \(study)", &state)
    case .evaluated(let count): note("\(count) candidates evaluated", &state)
    case .idle(let seconds): note("no candidates for \(seconds) s; is a search of this study going on?", &state)
    }
  }

  private func show(_ event: CompareJob.Event, _ state: inout State) {
    switch event {
    case .resumed(let cells): Console.note("resuming: \(cells) measurements are stored")
    case .cell(let cell, let done, let total):
      let values = cell.failure ?? cell.perplexities.map { $0.fixed(2) }.joined(separator: " ")
      note("\(done)/\(total) \(cell.method) at \(cell.keepTarget): \(values)", &state)
    }
  }

  private func note(_ text: String, _ state: inout State) {
    finish(&state)
    Console.note(text)
  }

  func finish() { state.withLock { finish(&$0) } }

  private func finish(_ state: inout State) {
    let ended = state.stage.end(at: seconds)
    if !terminal && !quiet { ended.forEach(Console.note) }
    if state.lineIsOpen { Console.raw("\n") }
    state.lineIsOpen = false
  }

  private func line(_ text: String, _ state: inout State) {
    Console.raw("\r\u{1B}[2K" + text)
    state.lineIsOpen = true
  }
}

import Foundation
import Pipeline
import Reports

/// Shows a session's events: a bar on a terminal, single lines elsewhere.
final class ProgressDisplay {
  private let terminal = Console.errorIsTerminal
  private let quiet: Bool
  private var lineIsOpen = false
  private var stage = StageProgress()
  private let start = ContinuousClock.now
  /// When a line of a log last told of the search.
  private var noted = 0.0
  private var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  init(quiet: Bool) { self.quiet = quiet }

  /// A step of longer work.
  func step(_ name: String, _ done: Int, _ total: Int) { show(.preparing(name, done: done, total: total)) }

  func show(_ event: SearchSession.Event) {
    if quiet { return }
    switch event {
    case .preparing(let name, let done, let total):
      if terminal {
        line(stage.line(name, done: done, total: total, at: seconds))
      } else {
        stage.log(name, done: done, total: total, at: seconds).forEach(Console.note)
      }
    case .damping(let damping, let isChosen):
      finish()
      if isChosen { Console.note("damping \(damping) of the mean diagonal, chosen by held-out error") }
    case .optimizer(let optimizer):
      finish()
      Console.note("optimizer: \(optimizer.description)")
    case .cost(let text):
      finish()
      Console.note(text)
    case .warning(let text):
      finish()
      Console.warn(text)
    case .resumed(let evaluations):
      finish()
      Console.note("resuming: \(evaluations) evaluations are stored")
    case .progress(let progress, let generation, let front):
      let ended = stage.end(at: seconds)
      if !terminal { ended.forEach(Console.note) }
      // Optimisers without generations are heard of now and then.
      if !terminal, generation != nil || seconds - noted >= StageProgress.pause {
        Console.note(ProgressLine.generation(generation, front: front, progress))
        noted = seconds
      }
      if terminal { line(ProgressLine.bar(progress, width: Console.width(2) - 1)) }
    }
  }

  func show(_ event: ComparisonSession.Event) {
    if quiet { return }
    switch event {
    case .step(let name, let done, let total): show(.preparing(name, done: done, total: total))
    case .resumed(let cells): Console.note("resuming: \(cells) measurements are stored")
    case .cell(let cell, let done, let total):
      finish()
      let values = cell.failure ?? cell.perplexities.map { String(format: "%.2f", $0) }.joined(separator: " ")
      Console.note("\(done)/\(total) \(cell.method) at \(cell.keepTarget): \(values)")
    }
  }

  func finish() {
    let ended = stage.end(at: seconds)
    if !terminal && !quiet { ended.forEach(Console.note) }
    if lineIsOpen { Console.raw("\n") }
    lineIsOpen = false
  }

  private func line(_ text: String) {
    Console.raw("\r\u{1B}[2K" + text)
    lineIsOpen = true
  }
}

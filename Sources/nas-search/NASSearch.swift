import ArgumentParser
import Checkpoints
import Foundation
import LinearAlgebra
import Synchronization

/// The command line: `nas-search` alone searches.
@main
struct NASSearch: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "nas-search",
    abstract: "Makes large language models smaller without training.",
    discussion: """
      Searches the attention and MLP widths of every layer of a checkpoint, corrects the inherited weights by exact \
      least squares, and exports subnets that stock loaders open.

        nas-search --model MODEL --budget 200
        nas-search report results/STUDY
        nas-search export results/STUDY --point best --format hf --output DIR
      """,
    version: version,
    subcommands: [
      SearchCommand.self, WorkerCommand.self, ReportCommand.self, ExportCommand.self, EvaluateCommand.self,
      GenerateCommand.self,
      SolveCommand.self, PruneCommand.self, RepairCommand.self, CompareCommand.self, MethodsCommand.self,
      SpacesCommand.self, DescribeCommand.self, ScoresCommand.self, BenchmarkCommand.self, SynthesizeCommand.self,
    ],
    defaultSubcommand: SearchCommand.self)

  /// Says so where the program was built for another processor, instead of dying of an unknown instruction.
  static func main() {
    StandardStreams.secure()
    if let feature = Processor.missingFeature {
      let message =
        "Error: this nas-search was built for processors with \(feature), which this one lacks; build it here, or with "
        + "make build PORTABLE=1\n"
      FileHandle.standardError.write(Data(message.utf8))
      Foundation.exit(1)
    }
    Processor.restartWithFittingBLAS()
    let told = Mutex<Set<String>>([])
    let hear: @Sendable (String) -> Void = { notice in
      if told.withLock({ $0.insert(notice).inserted }) { Console.warn(notice) }
    }
    Notices.$hear.withValue(hear) { Foundation.exit(outcome().rawValue) }
  }

  /// Runs the command line, and prints what went wrong.
  private static func outcome() -> ExitCode {
    do {
      var command = try parseAsRoot()
      try command.run()
      return .success
    } catch {
      let code = exitCode(for: error)
      let text = fullMessage(for: error)
      if text.isEmpty { return code }
      guard code.isSuccess else {
        Console.note(text)
        return code
      }
      // Help and version are results, too.
      do {
        try Console.print(text)
        return code
      } catch {
        if error is OutputError { Console.note(fullMessage(for: error)) }
        return exitCode(for: error)
      }
    }
  }
}

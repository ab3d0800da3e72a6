import ArgumentParser
import Checkpoints
import Foundation
import Methods
import Runtime
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
        nas-search report runs/STUDY
        nas-search export runs/STUDY --point best --format hf --output DIR
      """,
    version: version,
    groupedSubcommands: [
      CommandGroup(
        name: "Search", subcommands: [SearchCommand.self, WorkerCommand.self, ReportCommand.self, ExportCommand.self]),
      CommandGroup(
        name: "One shot", subcommands: [SolveCommand.self, PruneCommand.self, CompareCommand.self, RepairCommand.self]),
      CommandGroup(
        name: "Look",
        subcommands: [
          DescribeCommand.self, EvaluateCommand.self, GenerateCommand.self, ServeCommand.self, ScoresCommand.self,
          MethodsCommand.self, SpacesCommand.self,
        ]),
      CommandGroup(
        name: "Tools",
        subcommands: [BenchmarkCommand.self, LatencyCommand.self, SynthesizeCommand.self, ConvertCommand.self]),
    ],
    defaultSubcommand: SearchCommand.self)

  /// Says so where the program was built for another processor, instead of dying of an unknown instruction.
  static func main() {
    StandardStreams.secure()
    if let feature = Processor.missingFeature {
      Console.note(
        "Error: this nas-search was built for processors with \(feature), which this one lacks; build it here, or with "
          + "make build PORTABLE=1")
      Foundation.exit(1)
    }
    Processor.restartWithFittingBLAS()
    Interrupt.watch()
    let told = Mutex<Set<String>>([])
    Notices.hearEverywhere { notice in
      if told.withLock({ $0.insert(notice).inserted }) { Console.warn(notice) }
    }
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      end(by: error)
    }
  }

  /// Prints help, or an error without the passwords that it may repeat from the command line.
  private static func end(by error: any Error) -> Never {
    let code = exitCode(for: error)
    if code == .validationFailure || error is MethodError,
      let remark = OldNames.remark(on: Array(CommandLine.arguments.dropFirst()))
    {
      Console.note("Error: \(remark)")
      Foundation.exit(ExitCode.validationFailure.rawValue)
    }
    let message = fullMessage(for: error)
    let better =
      code == .validationFailure
      ? UnknownWords.message(on: Array(CommandLine.arguments.dropFirst()), insteadOf: message) : nil
    let text = Passwords.hidden(in: better ?? message, arguments: CommandLine.arguments)
    if !text.isEmpty {
      if code.isSuccess {
        // Help and version are results, too.
        do { try Console.print(text) } catch { end(by: error) }
      } else {
        Console.note(text)
      }
    }
    Foundation.exit(code.rawValue)
  }
}

import Foundation
import Testing

/// The tests of the command line. They run one after the other: each starts processes that use all cores.
@Suite(.serialized) enum EndToEnd {}

/// What a command left behind: its exit code and what it printed.
struct Outcome: CustomStringConvertible {
  var command: [String]
  /// Exit code, or minus the signal that ended the process.
  var code: Int32
  var output: String
  var errors: String

  var errorLines: [String] { errors.split(separator: "\n").map(String.init) }

  var description: String {
    "nas-search \(command.joined(separator: " "))\nexit code \(code)\noutput: \(output)\nerrors: \(errors)"
  }

  /// The output as JSON.
  func json(sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: Any] {
    let object = try? JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
    return try #require(object, "\(self)", sourceLocation: sourceLocation)
  }

  @discardableResult
  func expectSuccess(sourceLocation: SourceLocation = #_sourceLocation) -> Outcome {
    #expect(code == 0, "\(self)", sourceLocation: sourceLocation)
    #expect(!errors.contains("Error:"), "\(self)", sourceLocation: sourceLocation)
    return self
  }

  /// Expects one line of error with all the words, and no output.
  func expectFailure(_ words: String..., code: Int32 = 1, sourceLocation: SourceLocation = #_sourceLocation) {
    expectFailure(words, code: code, sourceLocation: sourceLocation)
  }

  func expectFailure(_ words: [String], code: Int32 = 1, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(self.code == code, "\(self)", sourceLocation: sourceLocation)
    #expect(output.isEmpty, "\(self)", sourceLocation: sourceLocation)
    #expect(errors.components(separatedBy: "Error:").count == 2, "\(self)", sourceLocation: sourceLocation)
    let line = errorLines.first { $0.hasPrefix("Error: ") } ?? ""
    for word in words { #expect(line.contains(word), "'\(word)' in \(self)", sourceLocation: sourceLocation) }
    // A usage error goes on with how to use the command; any other ends with the one line.
    if code == 1 { #expect(errorLines.last == line, "\(self)", sourceLocation: sourceLocation) }
  }
}

/// A running `nas-search`.
final class RunningTool: @unchecked Sendable {
  private let process = Process()
  private let command: [String]
  private let outputFile: URL
  private let errorFile: URL
  private let exit = DispatchSemaphore(value: 0)

  /// The executable, which the package manager builds beside the test bundle.
  static let executable: URL = {
    if let path = ProcessInfo.processInfo.environment["NAS_SEARCH_EXECUTABLE"] { return URL(fileURLWithPath: path) }
    return URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appendingPathComponent("nas-search")
  }()

  /// - Parameter script: how bash is to run it, such as `"$0" "$@" > /dev/full`; `nil` runs it as it is.
  init(_ command: [String], in workspace: Workspace, through script: String? = nil) throws {
    self.command = command
    let name = UUID().uuidString
    outputFile = workspace.logs.appendingPathComponent(name + ".out")
    errorFile = workspace.logs.appendingPathComponent(name + ".err")
    for file in [outputFile, errorFile] { try Data().write(to: file) }
    process.executableURL = script == nil ? Self.executable : URL(fileURLWithPath: "/bin/bash")
    process.arguments = (script.map { ["-c", $0, Self.executable.path] } ?? []) + command
    process.currentDirectoryURL = workspace.folder
    process.environment = workspace.environment
    process.standardInput = FileHandle.nullDevice
    let handles = try [outputFile, errorFile].map { try FileHandle(forWritingTo: $0) }
    (process.standardOutput, process.standardError) = (handles[0], handles[1])
    // The child has its own. Foundation keeps every process object, and with a thousand open files its `run` reads beyond
    // the end of the list of them.
    defer { for handle in handles { try? handle.close() } }
    process.terminationHandler = { [exit] _ in exit.signal() }
    // A process inherits the signals that its parent's thread blocks, and those of a thread pool block most.
    var none = sigset_t()
    var blocked = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &blocked)
    defer { pthread_sigmask(SIG_SETMASK, &blocked, nil) }
    try process.run()
  }

  var isRunning: Bool { process.isRunning }

  /// What it has printed to standard error so far.
  var errors: String { (try? String(contentsOf: errorFile, encoding: .utf8)) ?? "" }

  /// What it has printed to standard output so far.
  var output: String { (try? String(contentsOf: outputFile, encoding: .utf8)) ?? "" }

  /// Its memory now; `nil` where the system does not say.
  var residentBytes: Int? {
    let status = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
    let line = status?.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }.map { $0 * 1024 }
  }

  func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Waits until a condition holds or the process has ended.
  func wait(until condition: () -> Bool) {
    while isRunning, !condition() { usleep(500) }
  }

  /// Waits for the end. A process that hangs is killed after two minutes, so that the tests end.
  func finish() throws -> Outcome {
    if exit.wait(timeout: .now() + 120) == .timedOut {
      send(SIGKILL)
      exit.wait()
    }
    let code = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    return Outcome(
      command: command, code: code, output: try String(contentsOf: outputFile, encoding: .utf8), errors: errors)
  }
}

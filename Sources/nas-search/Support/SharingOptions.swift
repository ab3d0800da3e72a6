import ArgumentParser
import Pipeline

/// How processes share the candidates of a study.
struct SharingOptions: ParsableArguments {
  @Option(help: "Candidates that a process takes at once. Default: a quarter of a generation or batch.")
  var portion: Int?
  @Option(help: "Seconds without a sign of life after which a portion is given to another process.") var lease = 60.0

  func validate() throws {
    if let portion, !(1...1000).contains(portion) { throw ValidationError("--portion must be between 1 and 1000") }
    if !(lease >= 1 && lease <= 86_400) { throw ValidationError("--lease must be between 1 and 86400 seconds") }
  }

  func sharing(evaluates: Bool = true) -> StudySharing {
    StudySharing(portion: portion, lease: lease, evaluates: evaluates)
  }
}

import ArgumentParser
import Pipeline

/// How processes share the candidates of a study.
struct SharingOptions: ParsableArguments {
  @Option(help: "Candidates that a process takes at once. Default: a quarter of a generation or batch.")
  var portion: Int?
  @Option(help: "Seconds without a sign of life after which a portion is given to another process.") var lease =
    SharingRequest.standard.lease

  func validate() throws { try UsageError.check { try request.validate() } }

  var request: SharingRequest {
    var request = SharingRequest()
    (request.portion, request.lease) = (portion, lease)
    return request
  }
}

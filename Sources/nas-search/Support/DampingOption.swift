import ArgumentParser

/// The damping of the least squares, the same option for every command that solves them.
struct DampingOption: ParsableArguments {
  @Option(
    help: "Damping of the least squares as a share of the Gram's mean diagonal; chosen by held-out error if not given.")
  var damping: Double?

  func validate() throws {
    if let damping, !(damping > 0 && damping < 1e6) { throw ValidationError("--damping must be positive") }
  }
}

import Foundation
import Testing

extension EndToEnd {
  /// Addresses of studies, right or not: no folder is made of them, and their passwords are nowhere to be seen.
  @Suite(.serialized) struct StudyAddresses {
    private static let secret = "rosebud7"

    @Test(arguments: [
      ("postgresql+psycopg2://me:PW@db.invalid/d#q", "postgresql://me@db.invalid/d#q"),
      ("mysql://me:PW@db.invalid/d", "postgresql://user@host/database#NAME"),
      ("sqlite:///results/a/study.db", "results/a"),
      ("host=db.invalid password=PW", "postgresql://user@host/database#NAME"),
      ("me:PW@db.invalid/d", "postgresql://user@host/database#NAME"),
      ("postgresql://me:1#PW@db.invalid/d#q", "%23"), ("postgresql://db.invalid/d&password=PW#q", "%3D"),
      ("postgresql://db.invalid/d#q?password=PW", "before the name"),
    ])
    func everyCommandRefuses(_ text: String, words: String) throws {
      let address = text.replacingOccurrences(of: "PW", with: Self.secret)
      let workspace = try Workspace("llama3-gqa")
      for command in [
        ["report", address], ["report", "text", address], ["report", address, "--fidelity"],
        Workspace.search(study: address), ["worker", address],
        ["solve", "--study", address, "--keep", "0.8"],
        ["export", address, "--format", "hf", "--output", "out"], ["benchmark", address],
      ] {
        let before = try workspace.snapshot()
        let result = try workspace.run(command)
        // Of several studies the first is looked at first.
        result.expectFailure(command.contains("text") ? "no study here" : words)
        #expect(!result.errors.contains(Self.secret), "\(result)")
        #expect(try workspace.snapshot() == before, "\(result)")
      }
    }

    /// Whatever is wrong with a command line, what it repeats has no password.
    @Test(arguments: [
      "postgresql://me:PW@db.invalid/d#q", "PostgreSQL://me:PW@db.invalid/d#q",
      "postgresql://db.invalid/d?password=PW#q",
      "postgresql://db.invalid/d?%70assword=PW#q", "postgresql://me:a/PW@db.invalid/d", "dbname=d password='PW'",
    ])
    func mistakesDoNotRepeatIt(_ text: String) throws {
      let address = text.replacingOccurrences(of: "PW", with: Self.secret)
      let workspace = try Workspace("llama3-gqa")
      for command in [
        [address], ["report"] + [address, "--bogus"], ["worker", "x", address], ["--studie=\(address)"],
        ["worker", "--studie", address], ["export", address, address, "--format", "hf", "--output", "out"],
        ["--model", "model", "--budget", address], ["--model", "model", "--budget=\(address)"],
        ["export", "nowhere", "--format", address, "--output", "out"], ["search", "--seed", address],
        [address, "--help"],
        ["report", address], Workspace.search(study: address), ["worker", address],
      ] {
        let before = try workspace.snapshot()
        let result = try workspace.run(command)
        #expect(!(result.errors + result.output).contains(Self.secret), "\(result)")
        #expect(command.contains("--help") || [1, 64].contains(result.code), "\(result)")
        #expect(try workspace.snapshot() == before, "\(result)")
      }
    }
  }
}

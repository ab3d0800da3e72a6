import Foundation
import Search
import Studies

/// A worker for tests: evaluates the trials of a study until all have ended, in a process that may be killed.
///
/// Arguments: place of the study, its name, name of the worker, lease in seconds. Prints the number of each trial of which
/// it gave the first result.
@main struct StudiesTestWorker {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 5, let lease = Double(arguments[4]) else { exit(2) }
    let worker = arguments[3]
    let study = try Study.open(StudyAddress(arguments[1]).location, name: arguments[2], access: .work)
    while true {
      try study.expire(lease: lease)
      let claimed = try study.claim(limit: .random(in: 1...3), worker: worker)
      if claimed.isEmpty, try study.trials().allSatisfy({ $0.state == .complete || $0.state == .failed }) { break }
      for candidate in claimed {
        usleep(.random(in: 0...20_000))
        switch Int.random(in: 0..<12) {
        case 0:
          // As if the machine had slept: the lease is lost, the result arrives all the same.
          usleep(UInt32(lease * 1.5e6))
        case 1: continue
        case 2:
          try study.release([candidate.ordinal], worker: worker)
          continue
        default: try study.renew(claimed.map(\.ordinal), worker: worker)
        }
        if try study.deliver(candidate.ordinal, values: values(candidate.genome), worker: worker) {
          try FileHandle.standardOutput.write(contentsOf: Data("\(candidate.ordinal)\n".utf8))
        }
      }
      usleep(claimed.isEmpty ? 50_000 : 0)
    }
    try study.close()
  }

  static func values(_ genome: Genome) -> [Double] {
    [Double(genome.reduce(0, +)) / 3, Double(genome[1]) / 7]
  }
}

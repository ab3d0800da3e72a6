import Calibration
import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Search

let usage = "speed-benchmark --model MODEL [--text FILE] [--only PART-OF-A-NAME]"

func option(_ name: String) -> String? {
  let arguments = CommandLine.arguments
  guard let place = arguments.firstIndex(of: "--" + name), place + 1 < arguments.count else { return nil }
  return arguments[place + 1]
}

func run() throws {
  guard let path = option("model") else { throw UsageError(description: usage) }
  let report = try Report(only: option("only"))
  try measureKernels(report)
  try measureFactorisations(report)
  let model = try LanguageModel(URL(fileURLWithPath: path))
  try measureModel(report, model)
  try measureReading(report, model, text: option("text").map { URL(fileURLWithPath: $0) })
  try measureOptimisers(report)
}

struct UsageError: Error, CustomStringConvertible {
  let description: String
}

Processor.restartWithFittingBLAS()
do {
  try run()
} catch {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  exit(1)
}

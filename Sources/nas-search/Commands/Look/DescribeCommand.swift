import ArgumentParser
import Calibration
import Pipeline

struct DescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Show what a search space means for a model: genes, size and cost.")

  @Argument(help: "A name (see 'spaces') or a .yaml file.", transform: LocalPath.checked) var space: String
  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "Calibration sets, as for a search.", transform: LocalPath.checked) var calibration: [String] = []

  func run() throws {
    var request = DescribeRequest(space: space, model: model)
    if !calibration.isEmpty { request.calibration = calibration.map { CalibrationSource($0, field: "text") } }
    let found = try DescribeJob(request, in: MemoryOption.context()).run()
    for (variable, parameters) in found.genes {
      switch variable.domain {
      case .integer(let low, let high, let step):
        try Console.print(
          "\(variable.name): \(low) to \(high) in steps of \(step) (\(variable.levels) values), "
            + "\(parameters) parameters a unit")
      case .categorical(let choices):
        try Console.print("\(variable.name): \(choices.joined(separator: ", "))")
      }
    }
    func share(_ parameters: Int) -> String {
      (Double(parameters) / Double(found.dense) * 100).fixed(1)
    }
    let (low, high) = (found.cost.lowerBound, found.cost.upperBound)
    try Console.print("size: 10^\(found.magnitude.fixed(1)) genomes")
    try Console.print(
      "cost: \(low) to \(high) block parameters, \(share(low)) to \(share(high)) % of the model's \(found.dense)")
    for line in found.outlooks.flatMap(\.lines) { try Console.print(line) }
  }
}

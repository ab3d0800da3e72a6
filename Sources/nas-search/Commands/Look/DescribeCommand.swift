import ArgumentParser
import Calibration
import Foundation
import LanguageModels
import Pipeline
import Subnets

struct DescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Show what a search space means for a model: genes, size and cost.")

  @Argument(help: "A name (see 'spaces') or a .yaml file.", transform: LocalPath.checked) var space: String
  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "Calibration sets, as for a search.", transform: LocalPath.checked) var calibration: [String] = []

  func run() throws {
    let space = try SpaceLibrary.parse(SpaceLibrary.text(space), file: space)
    let model = try LanguageModel(URL(fileURLWithPath: model))
    let names = (calibration.isEmpty ? ["self"] : calibration).map { CalibrationSource($0, field: "text").name }
    let bound = try BoundSpace(space, to: model.configuration, calibrationSets: names)
    let dense = Double(model.configuration.blockParameters)
    for (variable, weight) in zip(bound.design.variables, bound.cost.weights) {
      switch variable.domain {
      case .integer(let low, let high, let step):
        try Console.print(
          "\(variable.name): \(low) to \(high) in steps of \(step) (\(variable.levels) values), "
            + "\(weight) parameters a unit")
      case .categorical(let choices):
        try Console.print("\(variable.name): \(choices.joined(separator: ", "))")
      }
    }
    let digits = bound.design.variables.reduce(0.0) { $0 + log10(Double($1.levels)) }
    let low = bound.cost.cost(bound.design.lowest)
    let high = bound.cost.cost(bound.design.highest)
    try Console.print("size: 10^\(String(format: "%.1f", digits)) genomes")
    try Console.print(
      "cost: \(low) to \(high) block parameters, \(String(format: "%.1f", Double(low) / dense * 100)) to "
        + "\(String(format: "%.1f", Double(high) / dense * 100)) % of the model's \(Int(dense))")
  }
}

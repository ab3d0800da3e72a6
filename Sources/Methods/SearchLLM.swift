import Evaluation
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Subnets

/// Search for Efficient LLMs (arXiv 2409.17372): units by the saliency of optimal brain surgery, evolution over the kept
/// units themselves, then reformation of the output projections.
///
/// The paper's settings are a population of 100 (50 mutations, 30 crossovers, 20 fresh mutations a generation, 10 parents)
/// and 50 generations, judged by perplexity on a few calibration samples, without repair. Its units inside heads break
/// rotary embeddings and loaders; here attention loses KV groups. Reformation is the closed form that its iteration
/// approaches.
struct SearchLLM: PruningMethod {
  let name = "search-llm"
  let summary = "OBS saliency; evolution of kept units by perplexity; least-squares repair"
  let source = "Search for Efficient LLMs, arXiv 2409.17372"
  let gradients: Set<BackwardPass.Scalar> = []
  let settings = [
    MethodSetting(
      "population", .integer(4...100_000), initial: "auto",
      "candidates in a generation; 100, or a fifth of the evaluations where those are fewer than 500"),
    MethodSetting("generations", .integer(0...100_000), initial: "50", "generations; 0 takes the initial subnet"),
    MethodSetting("evaluations", .integer(1...10_000_000), initial: "5000", "candidates to judge at most"),
    MethodSetting("fitness", .integer(1...100_000), initial: "5", "windows of the calibration for the perplexity"),
    MethodSetting(
      "repair", .choice(["nested", "admm", "none"]), initial: "nested", "reformation of the output projections"),
  ]

  func prune(_ bench: Workbench, _ values: SettingValues) throws -> PrunedModel {
    let scores = try bench.scores(OBS(), try bench.statistics())
    guard let widths = UniformAllocation(bench.configuration).widths(budget: bench.budget) else {
      throw bench.impossible(name)
    }
    let evaluations = values.integer("evaluations") ?? 5000
    let population = values.integer("population") ?? max(4, min(100, evaluations / 5))
    let fitness = bench.firstWindows(values.integer("fitness") ?? 5)
    var evolution = MaskEvolution(
      configuration: bench.configuration, scores: scores, budget: bench.budget, seed: bench.seed,
      population: population)
    let limit = min(evaluations, 1 + (values.integer("generations") ?? 50) * population)
    let start = bench.units(widths, scores)
    let best = try bench.timed(.search) {
      try evolution.run(from: start, evaluations: limit) { units, number in
        let value = try Perplexity(Subnet(of: bench.model, keeping: units), windows: fitness).value
        try bench.monitor.advance(.init(.evolution), number + 1, of: limit)
        return value
      }
    }
    let repair = Repair(rawValue: values.text("repair")) ?? .nested
    return PrunedModel(
      units: best.units, network: try bench.subnet(keeping: best.units, repair: repair),
      repair: repair.rawValue,
      decisions: ["evaluations": "\(evolution.evaluations)", "perplexity on its samples": "\(best.value)"])
  }
}

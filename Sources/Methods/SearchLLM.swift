import Evaluation
import Importance
import LanguageModels
import Reformation
import Subnets
import Workbench

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

  struct Settings: MethodSettings {
    /// `nil` for that of the paper, or fewer where there are few evaluations.
    var population: Int?
    var generations = 50
    var evaluations = 5000
    var fitness = 5
    var repair = Repair.nested

    static var fields: [SettingField<Self>] {
      [
        .number(
          "population", \.population, 4...100_000,
          "candidates in a generation; 100, or a fifth of the evaluations where those are fewer than 500"),
        .number("generations", \.generations, 0...100_000, "generations; 0 takes the initial subnet"),
        .number("evaluations", \.evaluations, 1...10_000_000, "candidates to judge at most"),
        .number("fitness", \.fitness, 1...100_000, "windows of the calibration for the perplexity"),
        .choice("repair", \.repair, [.nested, .admm, .none], "reformation of the output projections"),
      ]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let scores = try bench.scores(OBS(), try bench.statistics())
    guard let widths = UniformAllocation(bench.configuration).widths(budget: budget) else {
      throw MethodError.impossible(name, bench, budget: budget)
    }
    let population = settings.population ?? max(4, min(100, settings.evaluations / 5))
    let fitness = bench.calibration.first(settings.fitness)
    var evolution = MaskEvolution(
      configuration: bench.configuration, scores: scores, budget: budget, seed: bench.seed,
      population: population)
    let limit = min(settings.evaluations, 1 + settings.generations * population)
    let start = bench.units(widths, scores)
    let best = try bench.timed(.search) {
      try evolution.run(from: start, evaluations: limit) { units, number in
        let value = try Perplexity(bench.inherited(units), windows: fitness).value
        try bench.monitor.advance(.init(.evolution), number + 1, of: limit)
        return value
      }
    }
    return try bench.pruned(
      best.units, repair: settings.repair,
      decisions: ["evaluations": "\(evolution.evaluations)", "perplexity on its samples": "\(best.value)"])
  }
}

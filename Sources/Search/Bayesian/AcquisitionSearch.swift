import LinearAlgebra

/// Finds the unknown genome with the largest score: tries many starts, and climbs from the best of them.
///
/// A round of a climb has two halves. First every variable is moved alone, by steps of all magnitudes, without regard
/// to the budget: the scores of these probes show the best direction of each variable. Then the probes that the budget
/// allows compete with combinations of the best ones, with exchanges of one variable that gives width and one that
/// takes it, and with random mutations, all fitted to the budget. The next round begins at the best of them.
struct AcquisitionSearch {
  let space: BudgetedSpace
  let variation: Variation
  /// Genomes to exclude.
  let known: Set<Genome>
  let region: TrustRegion
  /// Computes scores, one for each genome; larger is better.
  let score: ([Genome]) -> [Double]

  private static let startsScored = 256
  private static let climbs = 3
  private static let rounds = 24
  private static let probes = 320

  struct Found {
    var genome: Genome
    var origin: String
    var score: Double
    /// The centre of the box that bounds its climb; `nil` for the whole space.
    var centre: Genome?
  }

  /// - Parameters:
  ///   - incumbents: known genomes to start from.
  ///   - scattered: genomes from all over the space. They compete as they are; climbed from are they only where there
  ///     are no
  ///     incumbents, because climbs without a box end in corners, where least is known.
  /// - Returns: `nil` if no unknown genome came up.
  func best(incumbents: [Genome], scattered: [Genome], using generator: inout SeededGenerator) -> Found? {
    var local = scored(localStarts(incumbents, using: &generator))
    var global = scored(scattered.map { Found(genome: $0, origin: "global", score: 0, centre: nil) })
    local.sort { $0.score > $1.score }
    global.sort { $0.score > $1.score }
    var best = (local + global).max { $0.score < $1.score }
    for start in (local.isEmpty ? global : local).prefix(Self.climbs) {
      let top = climbed(start, using: &generator)
      if top.score > best?.score ?? -.infinity { best = top }
    }
    return best
  }

  // MARK: - Starts

  private func localStarts(_ incumbents: [Genome], using generator: inout SeededGenerator) -> [Found] {
    if incumbents.isEmpty { return [] }
    // Mutations reach a quarter of a range in generation 0, half of that in each further one.
    var (generation, reach) = (0, 0.25)
    while reach > region.side / 2 { (generation, reach) = (generation + 1, reach / 2) }
    var starts: [Found] = []
    for place in 0..<Self.startsScored {
      let parent = incumbents[place % incumbents.count]
      if place % 4 == 3 && incumbents.count > 1 {
        let other = incumbents[generator.integer(below: incumbents.count)]
        let child = variation.crossed(parent, other, using: &generator).genome
        starts.append(Found(genome: child, origin: "crossover", score: 0, centre: child))
      } else {
        var child = (genome: parent, mutation: Variation.Operator?.none)
        for _ in 0..<generator.integer(in: 1...3) {
          child = variation.mutated(child.genome, generation: generation, using: &generator)
        }
        let origin = child.mutation?.rawValue ?? "random"
        starts.append(Found(genome: child.genome, origin: origin, score: 0, centre: parent))
      }
    }
    return starts
  }

  /// The unknown genomes with their scores, each once.
  private func scored(_ starts: [Found]) -> [Found] {
    var seen = known
    var fresh = starts.filter { seen.insert($0.genome).inserted && space.allowed.contains(space.cost.cost($0.genome)) }
    for (index, value) in score(fresh.map(\.genome)).enumerated() { fresh[index].score = value }
    return fresh.filter { $0.score > -.infinity }
  }

  // MARK: - Climbing

  private func climbed(_ start: Found, using generator: inout SeededGenerator) -> Found {
    var current = start
    for _ in 0..<Self.rounds {
      let probes = probes(around: current, using: &generator)
      let values = score(probes.map(\.genome))
      var candidates = combinations(probes, values, around: current, using: &generator)
      for _ in 0..<16 {
        candidates.append(variation.mutated(current.genome, generation: 2, using: &generator).genome)
      }
      var seen = known
      candidates = candidates.filter { seen.insert($0).inserted && isInside($0, current.centre) }
      let combined = score(candidates)
      var next = current
      for (probe, value) in zip(probes, values)
      where value > next.score && space.isAcceptable(probe.genome) && !known.contains(probe.genome) {
        (next.genome, next.score) = (probe.genome, value)
      }
      for (genome, value) in zip(candidates, combined) where value > next.score {
        (next.genome, next.score) = (genome, value)
      }
      if next.genome == current.genome { break }
      current = next
    }
    return current
  }

  private struct Probe {
    let genome: Genome
    let variable: Int
    /// The cost that the move adds.
    let cost: Int
  }

  /// The genomes with one variable moved: by all powers of two of its step up and down, to its ends, or to each other
  /// choice. A random part of them if there are too many.
  private func probes(around current: Found, using generator: inout SeededGenerator) -> [Probe] {
    var result: [Probe] = []
    for (index, variable) in space.space.variables.enumerated()
    where variable.levels > 1 && space.space.isActive(index, in: current.genome) {
      for value in values(of: index, around: current) {
        var genome = current.genome
        genome[index] = value
        let cost = space.cost.cost(of: index, at: value) - space.cost.cost(of: index, at: current.genome[index])
        result.append(Probe(genome: space.space.canonical(genome), variable: index, cost: cost))
      }
    }
    while result.count > Self.probes { result.remove(at: generator.integer(below: result.count)) }
    return result
  }

  private func values(of index: Int, around current: Found) -> [Int] {
    let variable = space.space.variables[index]
    let here = current.genome[index]
    if variable.isCategorical { return (0..<variable.levels).filter { $0 != here } }
    let box = box(index, current.centre)
    var values: Set<Int> = [box.lowerBound, box.upperBound]
    var distance = variable.step
    while distance <= box.upperBound - box.lowerBound {
      values.formUnion([here - distance, here + distance])
      distance *= 2
    }
    return values.filter { box.contains($0) && $0 != here }.sorted()
  }

  /// The values that an integer may take in the box around `centre`: at least one step to each side.
  private func box(_ index: Int, _ centre: Genome?) -> ClosedRange<Int> {
    let variable = space.space.variables[index]
    guard let centre else { return variable.lowest...variable.highest }
    let steps = max(1, Int(region.side / 2 * Double(variable.levels - 1)))
    let low = max(variable.lowest, centre[index] - steps * variable.step)
    return low...min(variable.highest, centre[index] + steps * variable.step)
  }

  private func isInside(_ genome: Genome, _ centre: Genome?) -> Bool {
    genome.indices.allSatisfy { space.space.variables[$0].isCategorical || box($0, centre).contains(genome[$0]) }
  }

  /// Several probes at once: the best moves of the 2, 4, 8, … variables that gain most, and pairs of a variable that
  /// gives and one that takes.
  private func combinations(
    _ probes: [Probe], _ values: [Double], around current: Found, using generator: inout SeededGenerator
  ) -> [Genome] {
    let order = probes.indices.sorted { values[$0] > values[$1] }
    var best: [Int] = []
    var moved = Set<Int>()
    for index in order where values[index] > current.score && moved.insert(probes[index].variable).inserted {
      best.append(index)
    }
    let target = space.budget.useWholeBudget ? space.allowed.upperBound : space.cost.cost(current.genome)
    var result: [Genome] = []
    var size = 2
    while size / 2 < best.count {
      var genome = current.genome
      for index in best.prefix(size) { genome[probes[index].variable] = probes[index].genome[probes[index].variable] }
      result.append(space.isAcceptable(genome) ? genome : space.fitted(genome, to: target, using: &generator))
      size *= 2
    }
    let givers = order.filter { probes[$0].cost < 0 }.prefix(8)
    let takers = order.filter { probes[$0].cost > 0 }.prefix(8)
    for giver in givers {
      for taker in takers where probes[giver].variable != probes[taker].variable {
        var genome = probes[giver].genome
        genome[probes[taker].variable] = probes[taker].genome[probes[taker].variable]
        result.append(space.fitted(genome, to: target, using: &generator))
      }
    }
    return result
  }
}

/// The influence of each variable alone on an objective, according to a Gaussian process fitted to the observations.
///
/// The main effect of a variable: it takes every observed value in turn, all other variables stay as in the observed
/// genomes, and the expected objective is averaged. The importance is the variance of this average over the variable's
/// values, weighted by their frequency, as a share of the variance of the expected objective over the observed genomes.
/// This is a first-order Sobol index (Sobol', "Sensitivity estimates for nonlinear mathematical models", 1993), as
/// fANOVA computes it for a forest (Hutter, Hoos and Leyton-Brown, ICML 2014). Shares of variables that interact need
/// not sum to 1.
public enum GeneImportance {
  /// The smallest useful number of observations.
  public static let leastObservations = 16
  /// Largest number of genomes, spread evenly over the observed ones. More take long and add little.
  private static let mostObservations = 200
  private static let mostBackground = 64
  private static let mostLevels = 9

  /// - Parameters:
  ///   - genomes: observed genomes of `space`.
  ///   - values: values of the objective, one for each genome.
  /// - Returns: one share for each variable, in the order of the space, 0 for one that did not vary; `nil` if there are
  ///   too few observations or the objective does not vary.
  public static func shares(_ space: DesignSpace, genomes: [Genome], values: [Double]) -> [Double]? {
    precondition(genomes.count == values.count, "one value a genome")
    let places = spread(genomes.indices.filter { values[$0].isFinite }, to: mostObservations)
    if places.count < leastObservations { return nil }
    let (genomes, values) = (places.map { genomes[$0] }, places.map { values[$0] })
    guard let process = process(space, genomes, values) else { return nil }
    let total = variance(process.posterior(genomes).means, weights: nil)
    if !(total > 0) { return nil }
    let background = spread(Array(genomes.indices), to: mostBackground).map { genomes[$0] }
    return space.variables.indices.map { variable in
      let levels = levels(genomes.map { $0[variable] })
      if levels.count < 2 { return 0 }
      let altered = levels.flatMap { level in
        background.map { genome in
          var genome = genome
          genome[variable] = level.value
          return space.canonical(genome)
        }
      }
      let means = process.posterior(altered).means
      let averages = levels.indices.map { place in
        means[place * background.count..<(place + 1) * background.count].reduce(0, +) / Double(background.count)
      }
      return min(1, variance(averages, weights: levels.map(\.weight)) / total)
    }
  }

  private static func process(_ space: DesignSpace, _ genomes: [Genome], _ values: [Double]) -> GaussianProcess? {
    let best = GaussianProcess.mostProbable(values, starts: 1, iterations: 30) { warp in
      TrainingData(space, genomes: genomes, targets: values.map(warp.apply))
    }
    return best.flatMap { try? GaussianProcess($0.data, $0.hyperparameters) }
  }

  /// The values of a variable with their frequencies; quantiles if there are many values.
  private static func levels(_ observed: [Int]) -> [(value: Int, weight: Double)] {
    let counts = Dictionary(observed.map { ($0, 1.0) }, uniquingKeysWith: +)
    if counts.count <= mostLevels { return counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    let sorted = observed.sorted()
    return (0..<mostLevels).map { (sorted[(2 * $0 + 1) * sorted.count / (2 * mostLevels)], 1) }
  }

  private static func spread<Element>(_ all: [Element], to count: Int) -> [Element] {
    all.count <= count ? all : (0..<count).map { all[$0 * all.count / count] }
  }

  private static func variance(_ values: [Double], weights: [Double]?) -> Double {
    let weights = weights ?? values.map { _ in 1 }
    let total = weights.reduce(0, +)
    let mean = zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 } / total
    return zip(values, weights).reduce(0) { $0 + ($1.0 - mean) * ($1.0 - mean) * $1.1 } / total
  }
}

import Foundation
import LinearAlgebra

/// A density over genomes: a mixture of one component around each observed genome and a uniform one, each a product
/// over the variables.
///
/// The factor of an integer is a normal distribution around the observed value, integrated over the steps of the grid
/// and cut off at the ends of the range. The factor of a choice gives the observed choice most of the probability and
/// the others equal parts of the rest. Sources: Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter
/// Optimization", 2011, section 4; the products over all variables inside the mixture are the multivariate form of
/// Falkner, Klein and Hutter, "BOHB", 2018, section 3.2.
struct ParzenEstimator {
  private let variables: [Variable]
  private let centres: [Genome]
  /// Standard deviation around an observed value of each integer.
  private let deviations: [Double]
  /// The total probability of the choices other than the observed one.
  private let otherChoice: Double
  /// By centre and variable: the mass of the normal distribution inside the range.
  private let masses: [[Double]]

  /// - Parameter bandwidth: standard deviation as a share of an integer's range; at least half a step is used.
  init(_ centres: [Genome], space: DesignSpace, bandwidth: Double) {
    variables = space.variables
    self.centres = centres
    otherChoice = 1 / Double(centres.count + 1)
    let (variables, deviations) = (space.variables, Self.deviations(space, bandwidth))
    self.deviations = deviations
    masses = centres.map { centre in
      variables.indices.map { index in
        let variable = variables[index]
        if variable.isCategorical { return 1 }
        return Self.mass(
          from: Double(variable.lowest - centre[index]) - Double(variable.step) / 2,
          to: Double(variable.highest - centre[index]) + Double(variable.step) / 2, deviations[index])
      }
    }
  }

  private static func deviations(_ space: DesignSpace, _ bandwidth: Double) -> [Double] {
    space.variables.map { max(Double($0.highest - $0.lowest) * bandwidth, 0.5 * Double($0.step)) }
  }

  private static func mass(from low: Double, to high: Double, _ deviation: Double) -> Double {
    // Computed from the side of the small tail, so that little is lost by the difference.
    if low > 0 { return mass(from: -high, to: -low, deviation) }
    return NormalDistribution.cumulative(high / deviation) - NormalDistribution.cumulative(low / deviation)
  }

  /// The logarithm of the density.
  func logDensity(_ genome: Genome) -> Double {
    var terms = [variables.reduce(0) { $0 - log(Double($1.levels)) }]
    for (place, centre) in centres.enumerated() {
      var term = 0.0
      for (index, variable) in variables.enumerated() where variable.levels > 1 {
        if variable.isCategorical {
          let other = otherChoice / Double(variable.levels)
          term += log(genome[index] == centre[index] ? 1 - otherChoice + other : other)
          continue
        }
        let (distance, half) = (Double(genome[index] - centre[index]), Double(variable.step) / 2)
        let part = Self.mass(from: distance - half, to: distance + half, deviations[index])
        term += log(max(part / masses[place][index], 1e-300))
      }
      terms.append(term)
    }
    let peak = terms.max() ?? 0
    return peak + log(terms.reduce(0) { $0 + exp($1 - peak) } / Double(terms.count))
  }

  /// A genome drawn from the density.
  func sample(using generator: inout SeededGenerator) -> Genome {
    let place = generator.integer(below: centres.count + 1)
    return variables.indices.map { index in
      let variable = variables[index]
      let uniform = variable.random(using: &generator)
      guard centres.indices.contains(place) else { return uniform }
      let centre = centres[place][index]
      if variable.isCategorical { return generator.chance(otherChoice) ? uniform : centre }
      // Values outside are drawn again; near an end half of all draws are inside.
      for _ in 0..<64 {
        let radius = (-2 * log(1 - generator.unit())).squareRoot()
        let drawn = Double(centre) + deviations[index] * radius * cos(2 * .pi * generator.unit())
        let level = Int(((drawn - Double(variable.lowest)) / Double(variable.step)).rounded())
        if (0..<variable.levels).contains(level) { return variable.lowest + level * variable.step }
      }
      return centre
    }
  }
}

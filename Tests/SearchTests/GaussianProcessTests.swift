import Foundation
import LinearAlgebra
import Testing

@testable import Search

@Suite struct GaussianProcessTests {
  private func line(_ levels: Int, choices: Int = 0) throws -> DesignSpace {
    var variables = [try Variable(name: "x", domain: .integer(low: 0, high: levels - 1, step: 1))]
    if choices > 0 {
      variables.append(try Variable(name: "c", domain: .categorical((0..<choices).map(String.init))))
    }
    return try DesignSpace(variables)
  }

  /// Three integers and two choices, as make_gp_reference.py has them.
  private func mixed() throws -> DesignSpace {
    try DesignSpace([
      Variable(name: "a", domain: .integer(low: 0, high: 3, step: 1)),
      Variable(name: "b", domain: .integer(low: 32, high: 1536, step: 32)),
      Variable(name: "c", domain: .integer(low: -4, high: 6, step: 2)),
      Variable(name: "d", domain: .categorical(["x", "y", "z"])),
      Variable(name: "e", domain: .categorical(["on", "off"])),
    ])
  }

  private var reference: Hyperparameters {
    Hyperparameters(
      lengths: GaussianProcessReference.lengths, choiceLengths: GaussianProcessReference.choiceLengths,
      signal: GaussianProcessReference.signal, noise: GaussianProcessReference.noise)
  }

  private func close(_ a: [Double], _ b: [Double], _ tolerance: Double = 1e-9) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * max(1, abs($1)) }
  }

  // MARK: - Closed forms

  @Test func oneObservation() throws {
    let hyperparameters = Hyperparameters(lengths: [0.5], choiceLengths: [], signal: 2, noise: 0.1)
    let process = try GaussianProcess(line(11), genomes: [[5]], targets: [7], hyperparameters: hyperparameters)
    let posterior = process.posterior([[5], [10]])
    // The mean is the only target everywhere. Its own variance is that of k(1 − k/K) plus (1 − k/K)²·K.
    #expect(close(posterior.means, [7, 7]))
    let matern = (1 + 5.0.squareRoot() + 5.0 / 3) * exp(-5.0.squareRoot())
    let variances = [2, 2 * matern].map { 2 - $0 * $0 / 2.1 + 2.1 * (1 - $0 / 2.1) * (1 - $0 / 2.1) }
    #expect(close(posterior.variances, variances))
    #expect(abs(process.logMarginalLikelihood - (-log(2 * .pi * 2.1) / 2)) < 1e-12)
  }

  @Test func twoObservations() throws {
    let hyperparameters = Hyperparameters(lengths: [1], choiceLengths: [1.5], signal: 1, noise: 0.2)
    let process = try GaussianProcess(
      line(11, choices: 2), genomes: [[0, 0], [10, 1]], targets: [1, 3], hyperparameters: hyperparameters)
    let k = (1 + 5.0.squareRoot() + 5.0 / 3) * exp(-5.0.squareRoot() - 1 / 1.5)
    // Standardised targets −1 and 1 have the mean 0 by symmetry.
    let weight = 1 / (1.2 - k)
    #expect(close(process.posterior([[0, 0], [10, 1]]).means, [2 - weight * (1 - k), 2 + weight * (1 - k)]))
    let determinant = 1.2 * 1.2 - k * k
    #expect(abs(process.logMarginalLikelihood - (-weight - log(determinant) / 2 - log(2 * .pi))) < 1e-12)
  }

  @Test func agreesWithAnIndependentImplementation() throws {
    let known = GaussianProcessReference.self
    let flat = try GaussianProcess(
      mixed(), genomes: known.genomes, targets: known.targets, hyperparameters: reference)
    #expect(close(flat.posterior(known.points).means, known.means))
    #expect(close(flat.posterior(known.points).variances, known.variances))
    #expect(close([flat.logMarginalLikelihood], [known.logLikelihood]))
    let sloped = try GaussianProcess(
      mixed(), genomes: known.genomes, targets: known.targets,
      prediction: { 0.25 * Double($0[0]) + 0.001 * Double($0[1]) }, hyperparameters: reference)
    #expect(close(sloped.posterior(known.points).means, known.slopedMeans))
    #expect(close(sloped.posterior(known.points).variances, known.slopedVariances))
    #expect(close([sloped.logMarginalLikelihood], [known.slopedLogLikelihood]))
    #expect(sloped.slope > 0.5 && sloped.slope < 1.5)
  }

  // MARK: - Gradients

  private func logPosterior(
    _ data: TrainingData, _ logarithms: [Double]
  ) throws -> (value: Double, gradient: [Double]) {
    let prior = HyperparameterPrior(integers: 3, choices: 2)
    return try #require(GaussianProcess.logPosterior(data, prior, logarithms))
  }

  @Test(arguments: [false, true]) func gradientsAgreeWithDifferences(predicted: Bool) throws {
    let known = GaussianProcessReference.self
    let guess: GaussianProcess.Prediction = { Double($0[0]) + 0.002 * Double($0[1]) }
    let data = try TrainingData(
      mixed(), genomes: known.genomes, targets: known.targets, prediction: predicted ? guess : nil)
    let point = reference.logarithms
    let exact = try logPosterior(data, point).gradient
    for index in point.indices {
      var (above, below) = (point, point)
      above[index] += 1e-5
      below[index] -= 1e-5
      let difference = (try logPosterior(data, above).value - logPosterior(data, below).value) / 2e-5
      #expect(close([exact[index]], [difference], 1e-6))
    }
  }

  @Test func theFitClimbs() throws {
    let known = GaussianProcessReference.self
    let data = try TrainingData(mixed(), genomes: known.genomes, targets: known.targets)
    let prior = HyperparameterPrior(integers: 3, choices: 2)
    let best = GaussianProcess.mostProbable(data, starts: 2, iterations: 100).hyperparameters.logarithms
    let top = try logPosterior(data, best)
    #expect(close(top.gradient, top.gradient.map { _ in 0 }, 0.05))
    for start in [prior.mode, reference.logarithms] {
      let value = try logPosterior(data, start).value
      #expect(top.value > value)
    }
  }

  @Test func theFitFindsTheVariablesThatMatter() throws {
    let space = try DesignSpace(
      (0..<8).map { try Variable(name: "x\($0)", domain: .integer(low: 0, high: 50, step: 1)) })
    var generator = SeededGenerator(seed: 3)
    let genomes = (0..<60).map { _ in (0..<8).map { _ in generator.integer(below: 51) } }
    let targets = genomes.map { sin(Double($0[2]) / 10) + 0.3 * Double($0[5]) / 50 }
    let process = try GaussianProcess.fitted(space, genomes: genomes, targets: targets)
    let order = (0..<8).sorted { process.hyperparameters.lengths[$0] < process.hyperparameters.lengths[$1] }
    #expect(Array(order.prefix(2)) == [2, 5])
    let fresh = (0..<50).map { _ in (0..<8).map { _ in generator.integer(below: 51) } }
    let posterior = process.posterior(fresh)
    for (genome, mean) in zip(fresh, posterior.means) {
      #expect(abs(mean - sin(Double(genome[2]) / 10) - 0.3 * Double(genome[5]) / 50) < 0.05)
    }
  }

  // MARK: - One more observation

  @Test func conditioningEqualsStartingAgain() throws {
    let known = GaussianProcessReference.self
    let space = try mixed()
    for prediction in [nil, { Double($0[0]) } as GaussianProcess.Prediction] {
      var process = try GaussianProcess(
        space, genomes: known.genomes, targets: known.targets, prediction: prediction, hyperparameters: reference)
      let whole = process.data.appending([2, 64, 0, 1, 1], target: 4.5).appending([0, 960, 6, 2, 0], target: 3.5)
      process = try process.conditioned(on: [2, 64, 0, 1, 1], target: 4.5)
      process = try process.conditioned(on: [0, 960, 6, 2, 0], target: 3.5)
      let again = try GaussianProcess(whole, reference)
      #expect(process.count == 16)
      #expect(close(process.posterior(known.points).means, again.posterior(known.points).means, 1e-11))
      #expect(close(process.posterior(known.points).variances, again.posterior(known.points).variances, 1e-11))
      #expect(close([process.logMarginalLikelihood], [again.logMarginalLikelihood], 1e-11))
    }
  }

  @Test func aFantasyOfTheMeanLeavesTheMean() throws {
    let known = GaussianProcessReference.self
    let process = try GaussianProcess(
      mixed(), genomes: known.genomes, targets: known.targets, hyperparameters: reference)
    let before = process.posterior(known.points)
    let after = try process.conditioned(on: known.points[0], target: before.means[0]).posterior(known.points)
    #expect(close(after.means, before.means))
    #expect(zip(after.variances, before.variances).allSatisfy { $0 < $1 + 1e-12 })
  }

  // MARK: - Awkward data

  @Test func duplicatesAreTolerated() throws {
    let hyperparameters = Hyperparameters(lengths: [0.5], choiceLengths: [], signal: 1, noise: 1e-20)
    var process = try GaussianProcess(
      line(11), genomes: [[3], [3], [3], [8]], targets: [1, 1, 1, 2], hyperparameters: hyperparameters)
    #expect(process.jitter > 0)
    #expect(close(process.posterior([[3], [8]]).means, [1, 2], 1e-6))
    process = try process.conditioned(on: [8], target: 2)
    #expect(close(process.posterior([[3], [8]]).means, [1, 2], 1e-6))
    let contrary = try GaussianProcess.fitted(
      line(11), genomes: [[3], [3], [8], [8]], targets: [1, 2, 5, 6])
    #expect(contrary.posterior([[3], [5], [8]]).means.allSatisfy { $0 > 0.9 && $0 < 6.1 })
  }

  @Test func constantTargetsAreTolerated() throws {
    for targets in [[4.0, 4, 4], [0.0, 0, 0]] {
      let process = try GaussianProcess.fitted(line(11), genomes: [[0], [4], [9]], targets: targets)
      let posterior = process.posterior([[2], [4]])
      #expect(close(posterior.means, [targets[0], targets[0]]))
      #expect(posterior.variances.allSatisfy { $0.isFinite && $0 >= 0 })
    }
    let single = try GaussianProcess.fitted(line(11), genomes: [[5]], targets: [2])
    #expect(close(single.posterior([[0]]).means, [2]))
  }

  @Test func nothingToVary() throws {
    let space = try DesignSpace([Variable(name: "a", domain: .integer(low: 4, high: 4, step: 1))])
    let process = try GaussianProcess.fitted(space, genomes: [[4], [4]], targets: [1, 2])
    #expect(close(process.posterior([[4]]).means, [1.5]))
    #expect(process.posterior([]).means.isEmpty)
  }

  @Test func uselessPredictionsGetNoSlope() throws {
    let genomes = (0...10).map { [$0] }
    let targets = genomes.map { Double($0[0]) }
    let process = try GaussianProcess.fitted(
      line(11), genomes: genomes, targets: targets, prediction: { -Double($0[0]) })
    #expect(process.slope == 0)
    let partial = try GaussianProcess.fitted(
      line(11), genomes: genomes, targets: targets, prediction: { $0[0] == 3 ? nil : Double($0[0]) })
    #expect(partial.slope == 0)
  }

  @Test func twoThousandObservations() throws {
    let space = try DesignSpace(
      (0..<4).map { try Variable(name: "x\($0)", domain: .integer(low: 0, high: 200, step: 1)) })
    var generator = SeededGenerator(seed: 11)
    let genomes = (0..<2000).map { _ in (0..<4).map { _ in generator.integer(below: 201) } }
    let targets = genomes.map { $0.reduce(0.0) { $0 + sin(Double($1) / 40) } }
    let process = try GaussianProcess.fitted(space, genomes: genomes, targets: targets, starts: 1, iterations: 2)
    let posterior = process.posterior(Array(genomes.prefix(50)))
    #expect(zip(posterior.means, targets).allSatisfy { abs($0 - $1) < 0.1 })
    #expect(posterior.variances.allSatisfy { $0.isFinite })
  }
}

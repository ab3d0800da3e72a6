@testable import Search

extension GaussianProcess {
  init(
    _ space: DesignSpace, genomes: [Genome], targets: [Double], prediction: Prediction? = nil,
    hyperparameters: Hyperparameters
  ) throws {
    try self.init(
      TrainingData(space, genomes: genomes, targets: targets, prediction: prediction), hyperparameters)
  }

  /// The process with the most probable hyper-parameters.
  static func fitted(
    _ space: DesignSpace, genomes: [Genome], targets: [Double], prediction: Prediction? = nil, starts: Int = 2,
    iterations: Int = 40
  ) throws -> GaussianProcess {
    let data = TrainingData(space, genomes: genomes, targets: targets, prediction: prediction)
    return try GaussianProcess(data, mostProbable(data, starts: starts, iterations: iterations).hyperparameters)
  }

  /// The number of observations.
  var count: Int { data.points.count }
  var jitter: Double { solution.jitter }
  /// The slope of the mean over the prediction; 0 without one.
  var slope: Double { solution.trend.slope * data.scaling.scale / (data.predictionScaling?.scale ?? 1) }
  var logMarginalLikelihood: Double { solution.logLikelihood }
}

import LinearAlgebra

/// The observations of a Gaussian process, ready for the mathematics.
struct TrainingData: Sendable {
  let encoding: PointEncoding
  let points: EncodedPoints
  /// Standardised targets.
  let targets: [Double]
  let scaling: Standardisation
  /// The standardised predictions of the observed genomes; `nil` if the process has none.
  let observedPredictions: [Double]?
  let predictionScaling: Standardisation?
  private let prediction: GaussianProcess.Prediction?

  /// - Parameters:
  ///   - genomes: genomes of `space`, at least one. Repetitions are allowed.
  ///   - targets: finite values, one for each genome.
  ///   - prediction: the prior mean is an affine function of it, with a slope that is not negative. Ignored if it is
  ///     `nil` for one of the genomes; at other genomes without one, the mean of the observed predictions is taken.
  init(
    _ space: DesignSpace, genomes: [Genome], targets: [Double], prediction: GaussianProcess.Prediction? = nil
  ) {
    precondition(!genomes.isEmpty && genomes.count == targets.count, "one target a genome, and at least one")
    encoding = PointEncoding(space)
    points = encoding.encode(genomes)
    let scaling = Standardisation(targets)
    self.scaling = scaling
    self.targets = targets.map(scaling.apply)
    let predicted = prediction.map { prediction in genomes.compactMap(prediction).filter(\.isFinite) } ?? []
    let complete = predicted.count == genomes.count
    let predictionScaling = complete ? Standardisation(predicted) : nil
    self.prediction = complete ? prediction : nil
    self.predictionScaling = predictionScaling
    observedPredictions = predictionScaling.map { predicted.map($0.apply) }
  }

  private init(_ data: TrainingData, _ genome: Genome, _ target: Double) {
    encoding = data.encoding
    scaling = data.scaling
    prediction = data.prediction
    predictionScaling = data.predictionScaling
    points = data.points.appending(encoding.encode([genome]))
    targets = data.targets + [scaling.apply(target)]
    observedPredictions = data.observedPredictions.map { $0 + data.predictions([genome]) }
  }

  /// The data with one more observation; the scaling stays.
  func appending(_ genome: Genome, target: Double) -> TrainingData { TrainingData(self, genome, target) }

  /// The standardised predictions of any genomes; 0 if there is none.
  func predictions(_ genomes: [Genome]) -> [Double] {
    genomes.map { genome in
      guard let prediction, let predictionScaling, let value = prediction(genome), value.isFinite else { return 0 }
      return predictionScaling.apply(value)
    }
  }

  /// Row `[target, 1, prediction]` of an observation, without the last if there are no predictions.
  func row(_ index: Int) -> [Double] {
    [targets[index], 1] + (observedPredictions.map { [$0[index]] } ?? [])
  }
}

import Subnets

/// A reference subnet, for example the same width in every layer.
public struct Baseline: Codable, Equatable, Sendable {
  /// Short name, for example `uniform`.
  public var label: String
  public var measurement: SubnetMeasurement
  public var score: String
  public var calibration: String
  /// Widths by layer; empty where they are not known.
  public var widths: [LayerWidths]

  public init(
    label: String, measurement: SubnetMeasurement, score: String, calibration: String, widths: [LayerWidths] = []
  ) {
    (self.label, self.measurement, self.score) = (label, measurement, score)
    (self.calibration, self.widths) = (calibration, widths)
  }
}

/// A subnet that no other evaluated subnet beats in every objective.
public struct FrontPoint: Codable, Equatable, Sendable {
  /// Point number as `--point` takes it: 0 is the largest subnet of the front.
  public var index: Int
  /// Number of the trial that measured it.
  public var trial: Int
  public var measurement: SubnetMeasurement
  /// Importance score that ranked the units.
  public var score: String
  /// Calibration set of that score.
  public var calibration: String
  /// Widths by layer, first layer first.
  public var widths: [LayerWidths]
  /// The best value of the first objective within the size that the study searches.
  public var isBest: Bool
  /// Where a smaller size begins to cost most.
  public var isKnee: Bool

  public init(
    index: Int, trial: Int, measurement: SubnetMeasurement, score: String, calibration: String, widths: [LayerWidths],
    isBest: Bool = false, isKnee: Bool = false
  ) {
    (self.index, self.trial, self.measurement, self.score) = (index, trial, measurement, score)
    (self.calibration, self.widths, self.isBest, self.isKnee) = (calibration, widths, isBest, isKnee)
  }
}

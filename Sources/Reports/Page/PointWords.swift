/// What the page says about a point of the front in tooltips and captions.
enum PointWords {
  /// `point 7, best`.
  static func name(_ point: FrontPoint) -> String {
    "point \(point.index)" + (point.isBest ? ", best" : "") + (point.isKnee ? ", knee" : "")
  }

  /// Size and quality, a line each.
  static func lines(_ measurement: PointMeasurement, in report: StudyReport) -> String {
    let size =
      "\(NumberText.percent(measurement.keepRatio)) kept, \(NumberText.short(measurement.parametersTotal)) parameters"
    let ratio = report.ratioToDense(measurement).map { " (\(NumberText.large($0)) × dense)" } ?? ""
    let perplexity = measurement.perplexity.map { ", perplexity \(NumberText.large($0))\(ratio)" } ?? ""
    return "\(size)\nKL \(NumberText.kl(measurement.kl))\(perplexity)"
  }

  static func lines(_ point: FrontPoint, in report: StudyReport) -> String {
    lines(point.measurement, in: report) + "\n\(point.score), \(point.calibration)"
  }

  /// One line for the caption of the heat map.
  static func caption(_ point: FrontPoint, in report: StudyReport) -> String {
    "\(name(point)): \(lines(point, in: report))".replacing("\n", with: ", ")
  }
}

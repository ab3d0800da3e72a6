import Evaluation

/// What the page says about a point of the front in tooltips and captions.
enum PointWords {
  /// `point 7, best`.
  static func name(_ point: FrontPoint) -> String {
    "point \(point.index)" + (point.isBest ? ", best" : "") + (point.isKnee ? ", knee" : "")
  }

  /// `7 best`, for tables.
  static func label(_ point: FrontPoint) -> String {
    "\(point.index)" + (point.isBest ? " best" : "") + (point.isKnee ? " knee" : "")
  }

  /// `KL 0.2722`.
  static func value(_ values: [String: Double], _ objective: ObjectiveDescription) -> String {
    "\(objective.title) \(NumberText.value(values[objective.name], objective.style))"
  }

  /// Size and quality, a line each.
  static func lines(_ measurement: SubnetMeasurement, in report: StudyReport) -> String {
    let size =
      "\(NumberText.percent(measurement.keepRatio)) kept, \(NumberText.short(measurement.parametersTotal)) parameters"
    let values = report.columns.filter { measurement.values[$0.name] != nil }.map { objective in
      let ratio = objective.name == TokenPerplexity().name ? report.ratioToDense(measurement) : nil
      return value(measurement.values, objective) + (ratio.map { " (\(NumberText.large($0)) × dense)" } ?? "")
    }
    return ([size] + [values.joined(separator: ", ")].filter { !$0.isEmpty }).joined(separator: "\n")
  }

  static func lines(_ point: FrontPoint, in report: StudyReport) -> String {
    lines(point.measurement, in: report) + "\n\(point.score), \(point.calibration)"
  }

  /// One line for the caption of the heat map.
  static func caption(_ point: FrontPoint, in report: StudyReport) -> String {
    "\(name(point)): \(lines(point, in: report))".replacing("\n", with: ", ")
  }
}

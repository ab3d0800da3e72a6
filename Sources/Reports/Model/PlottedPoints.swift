import Evaluation

/// A model as charts of any two axes show it.
struct PlottedPoint: Equatable, Sendable {
  enum Kind: String, Sendable {
    /// An evaluation of the search, on the study's front or not.
    case evaluation
    case baseline
    case dense
    /// An export of a point, and the dense model in some type.
    case file
    case denseFile
  }

  var kind: Kind
  /// `evaluation 17`, `point 3, best`, `uniform`.
  var name: String
  /// By the names of axes.
  var values: [String: Double]
  /// Number on the study's front.
  var point: Int?
  /// What charts write beside it, such as `3 q4_k_m`.
  var label = ""

  /// Whether it may be on a front, rather than being what the search is compared with.
  var isCandidate: Bool { kind != .baseline && kind != .dense }
}

extension StudyReport {
  /// All models of the report: evaluations that ended, then baselines, then the dense model, then files.
  var plotted: [PlottedPoint] {
    let points = Dictionary(front.map { ($0.trial, $0) }) { first, _ in first }
    var evaluations = trials.filter { $0.state == .complete && points[$0.number] == nil }.map { trial in
      PlottedPoint(
        kind: .evaluation, name: "evaluation \(trial.number)",
        values: values(trial.values, kept: trial.keepRatio, total: trial.parametersTotal))
    }
    evaluations += front.map {
      PlottedPoint(kind: .evaluation, name: PointWords.name($0), values: values($0.measurement), point: $0.index)
    }
    return evaluations
      + baselines.map { PlottedPoint(kind: .baseline, name: $0.label, values: values($0.measurement)) }
      + [PlottedPoint(kind: .dense, name: "dense", values: values(dense))]
      + files.map { file in
        PlottedPoint(
          kind: file.trial == nil ? .denseFile : .file, name: "\(name(of: file)) \(file.weights)",
          values: values(of: file), point: front.first { $0.trial == file.trial }?.index, label: label(of: file))
      }
  }

  /// Those that two axes show. Files stand for themselves where an axis is of files alone; elsewhere their points do.
  func plotted(_ axes: AxisPair) -> [PlottedPoint] {
    let own = Set(fileColumns.map(\.axis.name))
    let showsFiles = own.contains(axes.x.name) || own.contains(axes.y.name)
    return plotted.filter { axes.at($0) != nil && (showsFiles || ![.file, .denseFile].contains($0.kind)) }
  }

  private func values(_ measurement: SubnetMeasurement) -> [String: Double] {
    values(measurement.values, kept: measurement.keepRatio, total: measurement.parametersTotal)
  }

  private func values(_ values: [String: Double], kept: Double, total: Int) -> [String: Double] {
    values.merging([Self.keptAxis.name: kept, Self.totalAxis.name: Double(total)]) { $1 }
  }
}

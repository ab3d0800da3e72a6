import Evaluation
import Subnets

/// The rows and columns of a front's table, in the words that terminal and page share. A new column is one line here.
struct FrontTable {
  struct Row: Sendable {
    var name: String
    var measurement: SubnetMeasurement
    var widths: [LayerWidths]
    var score = ""
    var calibration = ""
    /// `nil` for the dense model and the baselines.
    var point: FrontPoint?
  }

  struct Column: Sendable {
    var title: String
    /// For a terminal, if it differs.
    var shortTitle: String?
    var isText = false
    /// A narrow terminal loses the columns with the highest rank first, those of rank 0 never.
    var rank: Int
    var cell: @Sendable (Row) -> String
    var tooltip: @Sendable (Row) -> String? = { _ in nil }
  }

  let widthsTitle: String
  var widthsNote: String { "KV groups: fewest–most of a layer. \(widthsTitle): fewest–mean–most of a layer." }

  /// The dense model, then baselines and points by size, largest first.
  let rows: [Row]
  /// The objectives stay as long as the share kept does.
  let columns: [Column]

  init(_ report: StudyReport) {
    widthsTitle = report.model.hasExperts == true ? "Experts" : "MLP channels"
    let full = LayerWidths(groups: report.model.kvGroupsPerLayer, channels: report.model.mlpChannels)
    let dense = Row(name: "dense", measurement: report.dense, widths: report.model.layers > 0 ? [full] : [])
    let baselines = report.baselines.map {
      Row(name: $0.label, measurement: $0.measurement, widths: $0.widths, score: $0.score, calibration: $0.calibration)
    }
    let front = report.front.map {
      Row(
        name: "\($0.index)", measurement: $0.measurement, widths: $0.widths, score: $0.score,
        calibration: $0.calibration, point: $0)
    }
    let ordered = (baselines + front).enumerated().sorted { left, right in
      let (one, other) = (left.element.measurement.keepRatio, right.element.measurement.keepRatio)
      return one != other ? one > other : left.offset < right.offset
    }
    rows = [dense] + ordered.map(\.element)

    let values = report.columns.enumerated().flatMap { place, objective in
      let isObjective = report.objectives.contains { $0.name == objective.name }
      let value = Column(
        title: objective.title, rank: isObjective ? 0 : objective.isSampled ? 1 : place < 2 ? 2 : 14 + place
      ) {
        NumberText.value(
          $0.measurement.values[objective.name], objective.style,
          error: $0.measurement.standardErrors?[objective.name])
      }
      guard objective.name == TokenPerplexity().name else { return [value] }
      return [value, Column(title: "× dense", rank: 1) { NumberText.large(report.ratioToDense($0.measurement)) }]
    }
    columns =
      [
        Column(title: "kept", rank: 0) { NumberText.percent($0.measurement.keepRatio) },
        Column(
          title: "parameters", shortTitle: "params", rank: 10,
          cell: { NumberText.short($0.measurement.parametersTotal) },
          tooltip: { NumberText.grouped($0.measurement.parametersTotal) }),
      ] + values + [
        Column(title: "KV groups", rank: 11) { WidthsText.kvGroups($0.widths) },
        Column(title: widthsTitle, rank: 12) { WidthsText.mlpChannels($0.widths) },
        Column(title: "score", isText: true, rank: 13) { $0.score },
        Column(title: "calibration", isText: true, rank: 14) { $0.calibration },
      ]
  }
}

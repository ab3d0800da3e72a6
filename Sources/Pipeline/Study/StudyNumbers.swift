import Evaluation
import Studies
import Subnets

/// Whether the numbers of a study are some that a search can have stored. Others come from a damaged or edited database;
/// sums and products of them could leave their types.
enum StudyNumbers {
  /// More parameters, bytes and tokens than anything has, and exact as JSON numbers.
  static let most = 1 << 53
  /// More layers than any model has: reports go over all of them.
  static let mostLayers = 1 << 16

  /// - Throws: `PipelineError.damaged` that names the number.
  static func check(_ description: StudyDescription, of study: Study) throws {
    let keep = description.keep
    let damaged = { (problem: String) in PipelineError.damaged(path: study.path(), problem: problem) }
    guard keep.count == 2, keep[0] >= 0, keep[0] <= keep[1], keep[1] <= 1 else {
      throw damaged("the study's 'keep_range' is \(keep), not two shares")
    }
    do { try description.settings.validate() } catch { throw damaged("the study's settings: \(error)") }
    let named: [(String, Int?, Int)] =
      [
        ("layers", description.model.layers, mostLayers), ("target_parameters", description.targetParameters, most),
        ("parameters_total", description.model.parametersTotal, most),
        ("parameters_block", description.model.parametersBlock, most),
        ("kv_groups_per_layer", description.model.kvGroupsPerLayer, most),
        ("query_heads_per_group", description.model.queryHeadsPerGroup, most),
        ("mlp_channels", description.model.mlpChannels, most),
        ("head_dimension", description.model.headDimension, most),
        ("fitness windows", description.fitness.windows, most), ("fitness tokens", description.fitness.tokens, most),
        ("peak", description.peak, most), ("expected memory", description.work?.expectedMemory, most),
        ("peak of the preparation", description.work?.peak, most),
      ] + counts(description.dense) + description.baselines.flatMap { counts($0.measurement) + counts($0.widths) }
    for (name, value, most) in named {
      guard let value, !(0...most).contains(value) else { continue }
      throw damaged("the study's number '\(name)' is \(value)")
    }
    guard description.model.parametersBlock <= description.model.parametersTotal else {
      throw damaged("the study's model has more parameters in blocks than in all")
    }
  }

  /// - Parameter number: of the trial.
  static func check(_ measurement: SubnetMeasurement, ofTrial number: Int, of study: Study) throws {
    for (name, value, most) in counts(measurement) where !(0...most).contains(value ?? 0) {
      throw PipelineError.damaged(path: study.path(), problem: "trial \(number): its '\(name)' is \(value ?? 0)")
    }
  }

  private static func counts(_ measurement: SubnetMeasurement) -> [(String, Int?, Int)] {
    [
      ("parameters_total", measurement.parametersTotal, most), ("parameters_block", measurement.parametersBlock, most),
    ]
  }

  private static func counts(_ widths: [LayerWidths]) -> [(String, Int?, Int)] {
    widths.flatMap { [("kv_groups", $0.groups, most), ("mlp_channels", $0.channels, most)] }
  }
}

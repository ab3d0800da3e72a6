import Evaluation
import Studies

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
    let model = description.model
    let named: [(String, Int?)] =
      [
        ("target_parameters", description.targetParameters), ("parameters_total", model.parametersTotal),
        ("parameters_block", model.parametersBlock), ("kv_groups_per_layer", model.kvGroupsPerLayer),
        ("query_heads_per_group", model.queryHeadsPerGroup), ("mlp_channels", model.mlpChannels),
        ("head_dimension", model.headDimension), ("fitness windows", description.fitness.windows),
        ("fitness tokens", description.fitness.tokens), ("peak", description.peak),
        ("expected memory", description.work?.expectedMemory), ("peak of the preparation", description.work?.peak),
      ] + counts(description.dense)
      + (description.settings.tasks?.sets ?? []).flatMap { set in
        [("items", set.task.items), ("available items", set.available)]
      }
      + description.baselines.flatMap { baseline in
        counts(baseline.measurement)
          + baseline.widths.flatMap { [("kv_groups", $0.groups), ("mlp_channels", $0.channels)] }
      }
    if !(0...mostLayers).contains(model.layers) { throw damaged("the study's number 'layers' is \(model.layers)") }
    for case (let name, let value?) in named where !(0...most).contains(value) {
      throw damaged("the study's number '\(name)' is \(value)")
    }
    guard description.model.parametersBlock <= description.model.parametersTotal else {
      throw damaged("the study's model has more parameters in blocks than in all")
    }
  }

  /// - Parameter number: of the trial.
  static func check(_ measurement: SubnetMeasurement, ofTrial number: Int, of study: Study) throws {
    for case (let name, let value?) in counts(measurement) where !(0...most).contains(value) {
      throw PipelineError.damaged(path: study.path(), problem: "trial \(number): its '\(name)' is \(value)")
    }
  }

  private static func counts(_ measurement: SubnetMeasurement) -> [(String, Int?)] {
    [("parameters_total", measurement.parametersTotal), ("parameters_block", measurement.parametersBlock)]
  }
}

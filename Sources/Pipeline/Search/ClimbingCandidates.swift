import Evaluation
import LanguageModels
import Reports
import Runtime
import Subnets
import Workbench

/// How a search measures: candidates compete on growing numbers of windows.
extension CandidateEvaluator {
  typealias Measured = (measurement: PointMeasurement, record: WindowRecord)

  /// A candidate that goes on, and what was found on the windows before.
  typealias Climber = (genes: BoundSpace.Genes, earlier: Comparison?)

  /// Measures candidates together.
  ///
  /// Each is measured on the windows of the first rung; those that climb, on the further windows of the next. Without rungs
  /// values do not depend on which candidates are together.
  ///
  /// - Parameters:
  ///   - rungs: estimates from the first windows, where a candidate ends before it has seen all.
  ///   - climbers: which of some estimates go on.
  ///   - monitor: hears between half layers of the share that is done.
  /// - Returns: in the order of the candidates.
  func measure(
    _ candidates: [BoundSpace.Genes], rungs: FidelityRungs, monitor: Monitor, climbers: ([PointMeasurement]) -> [Int]
  ) throws -> [Measured] {
    try climb(candidates, rungs: rungs, climbers: climbers) { alive, windows in
      let found = try compare(alive.map(\.genes), windows: windows, monitor: monitor)
      return zip(alive, found.comparisons).map { $0.earlier?.joined($1) ?? $1 }
    }
  }

  /// Lets candidates compete on growing numbers of windows.
  ///
  /// - Parameter compare: compares candidates on all windows up to the end of a range. What was found on the windows before
  ///   the range is given.
  func climb(
    _ candidates: [BoundSpace.Genes], rungs: FidelityRungs, climbers: ([PointMeasurement]) -> [Int],
    compare: ([Climber], Range<Int>) throws -> [Comparison]
  ) throws -> [Measured] {
    var comparisons: [Comparison?] = candidates.map { _ in nil }
    func estimates(_ places: [Int]) -> [Measured] {
      places.compactMap { place in
        comparisons[place].map { comparison in
          let record = WindowRecord(comparison)
          return (rungs.estimate(measurement(of: candidates[place], comparison), record), record)
        }
      }
    }
    var (alive, done) = (Array(candidates.indices), 0)
    for count in rungs.isTrusted ? rungs.ladder.rungs : [rungs.windows] where !alive.isEmpty {
      let found = try compare(alive.map { (candidates[$0], comparisons[$0]) }, done..<count)
      for (place, comparison) in zip(alive, found) { comparisons[place] = comparison }
      done = count
      if count < rungs.windows { alive = climbers(estimates(alive).map(\.measurement)).map { alive[$0] } }
    }
    return estimates(Array(candidates.indices))
  }

  // MARK: - Measurements

  /// The dense model beside itself.
  var dense: PointMeasurement {
    let configuration = model.configuration
    return PointMeasurement(
      keepRatio: 1, parametersTotal: configuration.totalParameters, parametersBlock: configuration.blockParameters,
      kl: 0, perplexity: reference.perplexity.value, top1Agreement: 1)
  }

  func measurement(of genes: BoundSpace.Genes, _ comparison: Comparison) -> PointMeasurement {
    PointMeasurement(configuration(genes), of: model.configuration, comparison)
  }
}

extension PointMeasurement {
  /// - Parameters:
  ///   - configuration: of the subnet.
  ///   - dense: of the dense model.
  init(_ configuration: ModelConfiguration, of dense: ModelConfiguration, _ comparison: Comparison) {
    self.init(
      keepRatio: Double(configuration.blockParameters) / Double(dense.blockParameters),
      parametersTotal: configuration.totalParameters, parametersBlock: configuration.blockParameters,
      kl: comparison.divergence, perplexity: comparison.perplexity.value, top1Agreement: comparison.topOneAgreement)
  }
}

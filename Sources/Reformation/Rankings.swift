import Calibration
import Importance
import LanguageModels
import Subnets
import Synchronization

/// The order of every layer's units by each score on each calibration set, computed at the first request.
final class Rankings<Parent: Network>: Sendable {
  typealias Key = SubnetFactory<Parent>.Key
  typealias Choice = SubnetFactory<Parent>.Choice

  private let parent: Parent
  private let scores: [String: any Importance]
  private let statistics: [String: any Statistics]
  private let known = Mutex<[Key: UnitRanking]>([:])
  /// `QueryHeads.order` of every calibration and layer; it does not depend on the score.
  private let queryOrders = Mutex<[Key: [[Int]]]>([:])
  /// The same of `ExpertChannels`.
  private let channelOrders = Mutex<[Key: [[Int]]]>([:])
  /// The same of `JointNorms`.
  private let norms = Mutex<[Key: JointNorms]>([:])

  init(parent: Parent, scores: [any Importance], statistics: [any Statistics]) {
    self.parent = parent
    self.scores = Dictionary(scores.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    self.statistics = Dictionary(statistics.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
  }

  func ranking(_ index: Int, _ choice: Choice) throws -> UnitRanking { try order(index, choice).ranking }

  /// The order of a layer's units, and the layer, if it was read for that.
  func order(_ index: Int, _ choice: Choice) throws -> (ranking: UnitRanking, scored: ScoredLayer?) {
    var (ranking, scored) = try units(index, choice)
    if choice.queries != nil {
      ranking.queries = try once(in: queryOrders, index, choice) { try QueryHeads.order(layer(index, choice)) }
    }
    if choice.expertChannels != nil {
      ranking.expertChannels = try once(in: channelOrders, index, choice) {
        try ExpertChannels.order(scored ?? layer(index, choice))
      }
    }
    return (ranking, scored)
  }

  /// A value that depends on the calibration and the layer alone, made once.
  private func once<Value: Sendable>(
    in known: borrowing Mutex<[Key: Value]>, _ index: Int, _ choice: Choice, _ make: () throws -> Value
  ) throws -> Value {
    let key = Key(choice: Choice(score: "", calibration: choice.calibration), layer: index)
    if let value = known.withLock({ $0[key] }) { return value }
    let value = try make()
    known.withLock { $0[key] = value }
    return value
  }

  func jointNorms(_ index: Int, _ choice: Choice) throws -> JointNorms {
    try once(in: norms, index, choice) { JointNorms(try statistics(choice).layer(index)) }
  }

  /// Groups and channels in the order of the score.
  private func units(_ index: Int, _ choice: Choice) throws -> (ranking: UnitRanking, scored: ScoredLayer?) {
    let key = Key(choice: choice.ranking, layer: index)
    if let ranking = known.withLock({ $0[key] }) { return (ranking, nil) }
    guard let score = scores[choice.score] else {
      throw ImportanceError.unknownScore(name: choice.score, known: scores.keys.sorted())
    }
    let scored = try ScoredLayer(index, of: parent, for: score, statistics: statistics(choice))
    let ranking = try score.finiteScores(of: scored).ranking
    known.withLock { $0[key] = ranking }
    return (ranking, scored)
  }

  /// The layer with its statistics, without the data that only scores need.
  func layer(_ index: Int, _ choice: Choice) throws -> ScoredLayer {
    try ScoredLayer(index, of: parent, for: nil, statistics: statistics(choice))
  }

  private func statistics(_ choice: Choice) throws -> any Statistics {
    guard let found = statistics[choice.calibration] else {
      throw ReformationError.unknownCalibration(name: choice.calibration, known: statistics.keys.sorted())
    }
    return found
  }
}

import Exports
import LanguageModels

/// A target in bytes as a budget of block parameters, which is what methods and allocations keep to.
///
/// Bytes follow from the parameters alone only if all weights are stored alike. Matrices of a quantisation have types of
/// their own, which change with their widths, a cache has nothing to do with MLPs, and a record is as long as the list of
/// units. So a subnet is made, its bytes are counted, and the budget is corrected until they are within a hundredth of the
/// target, and not above.
struct SizeBudget {
  /// A subnet that was made.
  struct Made<Subnet> {
    let subnet: Subnet
    /// With the tokens that stay.
    let configuration: ModelConfiguration
    /// Bytes of its record in the file (`ExportRecord.bytes`).
    let record: Int
  }

  /// Share of the target that may be left.
  private static let slack = 0.01
  /// How hard the largest subnet within a target is looked for.
  enum Effort {
    /// Where each subnet takes long: until one is close to the target.
    case few
    /// Where none does: until no larger one is found.
    case many

    fileprivate var attempts: Int { self == .few ? 8 : 32 }
  }

  let target: SizeTarget
  /// Of the model with the tokens that stay.
  private let dense: ModelConfiguration
  /// `nil` for targets that are not in bytes.
  private let shipped: ShippedSize?
  private let type: WeightType

  /// - Parameters:
  ///   - model: whose subnets they are.
  ///   - format: in which subnets are written.
  ///   - type: of their weights.
  /// - Throws: `PipelineError.invalidOption` for a context beyond the model's.
  init(
    _ target: SizeTarget, of model: LanguageModel, format: ExportFormat, type: WeightType,
    _ vocabulary: ChosenVocabulary?
  ) throws {
    (self.target, self.type) = (target, type)
    dense = model.configuration.written(with: vocabulary)
    try target.check(context: model.configuration.contextLength)
    shipped =
      target.bytes == nil
      ? nil : try ShippedSize(model, format: format, type: type, vocabulary: vocabulary?.reduced)
  }

  /// Bytes of a subnet that the target counts; `nil` for targets that are not in bytes.
  ///
  /// - Parameters:
  ///   - configuration: with the tokens that stay.
  ///   - record: bytes of the subnet's record; `nil` for about so many as one of its widths takes.
  func bytes(of configuration: ModelConfiguration, record: Int? = nil) throws -> Int? {
    guard let shipped else { return nil }
    let record = shipped.format == .gguf ? record ?? configuration.recordBytes(of: dense) : 0
    return try shipped.bytes(of: configuration, record: record) + target.cacheBytes(of: configuration)
  }

  /// Whether a subnet meets the target.
  func holds(_ configuration: ModelConfiguration) throws -> Bool {
    guard let limit = target.bytes, let bytes = try bytes(of: configuration) else {
      return configuration.blockParameters <= target.blockParameters(of: dense)
    }
    return bytes <= limit
  }

  /// The bytes of the model without its layers, and what a parameter of them adds, between the dense model and one with
  /// about half of every width.
  private func line() throws -> (base: Double, slope: Double) {
    var narrow = dense
    for index in narrow.layers.indices {
      let shape = dense.layers[index]
      let groups = (shape.kvHeads + 1) / 2
      narrow.layers[index].kvHeads = groups
      narrow.layers[index].queryHeads = groups * (shape.kvHeads == 0 ? 0 : shape.queriesPerGroup)
      narrow.layers[index].mlpChannels =
        dense.block.experts == nil ? (shape.mlpChannels / 128) * 64 + 32 : (shape.mlpChannels + 1) / 2
    }
    let whole = Double(try bytes(of: dense) ?? 0)
    guard narrow.blockParameters < dense.blockParameters, let bytes = try? bytes(of: narrow) else {
      return (0, whole / Double(max(1, dense.blockParameters)))
    }
    let slope = (whole - Double(bytes)) / Double(dense.blockParameters - narrow.blockParameters)
    return (whole - slope * Double(dense.blockParameters), slope)
  }

  /// Block parameters that about meet the target; negative if it is less than what is outside the layers.
  func estimate() throws -> Int {
    guard let limit = target.bytes else { return target.blockParameters(of: dense) }
    let (base, slope) = try line()
    return Int(((Double(limit) - base) / slope).rounded(.down))
  }

  /// The same, at most all of them.
  ///
  /// - Throws: `PipelineError.invalidOption` if nothing of the layers would be left.
  func first() throws -> Int {
    let budget = try estimate()
    let outer = dense.outerParameters
    let least =
      target.bytes == nil
      ? "\(outer) parameters" : "about \(Int(try line().base)) bytes as \(type.rawValue)"
    try PipelineError.require(
      budget > 0, "\(target.text) is too small: without its layers the model takes \(least)")
    return min(budget, dense.blockParameters)
  }

  /// Makes subnets until one meets the target closely.
  ///
  /// - Parameters:
  ///   - effort: number of subnets that are made at most, and whether the first that is close is taken.
  ///   - notice: hears why the subnet is far below the target, where it is.
  ///   - make: makes one of at most so many block parameters.
  /// - Returns: that of most parameters of those within the target.
  /// - Throws: `PipelineError.invalidOption` if none was, and what `make` throws.
  func fitted<Subnet>(
    _ effort: Effort, notice: (String) -> Void = { _ in }, _ make: (_ budget: Int) throws -> Made<Subnet>
  ) throws -> Subnet {
    var budget = try first()
    guard let limit = target.bytes else { return try make(budget).subnet }
    let (base, slope) = try line()
    // With blocks subnets of several sizes have the same bytes: the largest of them is the best.
    var best: (made: Made<Subnet>, bytes: Int)?
    var bracket = Bracket()
    for _ in 0..<effort.attempts {
      let made = try make(budget)
      let (bytes, parameters) = (
        try bytes(of: made.configuration, record: made.record) ?? 0, made.configuration.blockParameters
      )
      bracket.add(budget, bytes: bytes, limit: limit)
      if bytes <= limit, best.map({ ($0.made.configuration.blockParameters, $0.bytes) < (parameters, bytes) }) ?? true {
        best = (made, bytes)
      }
      if bytes <= limit, effort == .few && isClose(bytes, to: limit) || budget == dense.blockParameters { break }
      // Aims at the middle of what is close, along the line from the model without layers through what was made.
      let own = max(slope / 4, (Double(bytes) - base) / Double(max(1, parameters)))
      let aim = (1 - Self.slack / 2) * Double(limit)
      let least = effort == .few ? 0 : max(1, dense.blockParameters / 64)
      let next = bracket.inside(budget + Int((aim - Double(bytes)) / own), from: budget, atLeast: least)
      if next == budget || bracket.isClosed { break }
      budget = min(dense.blockParameters, max(1, next))
    }
    guard let best else {
      throw PipelineError.invalidOption(
        "\(target.text) is too small: the smallest subnet that was made takes \(bracket.smallest) bytes")
    }
    if !isClose(best.bytes, to: limit), let above = bracket.above { notice(words(best.bytes, above, limit)) }
    return best.made.subnet
  }

  private func isClose(_ bytes: Int, to limit: Int) -> Bool { Double(bytes) >= (1 - Self.slack) * Double(limit) }

  /// Why a subnet is far below the target.
  private func words(_ bytes: Int, _ above: Int, _ limit: Int) -> String {
    let percent = ((1 - Double(bytes) / Double(limit)) * 1000).rounded() / 10
    let blocks =
      type.isQuantised
      ? "files of type \(type.rawValue) hold MLPs in blocks of 32 channels" : "whole units are pruned"
    return "\(target.text): the subnet takes \(bytes) bytes, \(percent) % less; \(blocks), and the next larger subnet "
      + "that was made takes \(above)"
  }
}

/// Budgets that were tried: the bytes of their subnets move in steps, which no line foretells.
private struct Bracket {
  /// The largest budget within the target, and the smallest beyond it.
  private var within: Int?
  private var beyond: Int?
  private var last: (budget: Int, bytes: Int)?
  private var step = 0
  /// Bytes of the smallest subnet beyond the target.
  private(set) var above: Int?
  private(set) var smallest = Int.max

  /// Whether no budget is between those that are known.
  var isClosed: Bool {
    guard let within, let beyond else { return false }
    return beyond <= within + 1
  }

  mutating func add(_ budget: Int, bytes: Int, limit: Int) {
    smallest = min(smallest, bytes)
    // A step that changed nothing is doubled.
    step = last.map { $0.bytes == bytes ? 2 * abs(budget - $0.budget) : 0 } ?? 0
    last = (budget, bytes)
    if bytes <= limit {
      within = max(within ?? 0, budget)
    } else {
      beyond = min(beyond ?? .max, budget)
      above = min(above ?? .max, bytes)
    }
  }

  /// The next budget: the one that the line says, if it is between those that are known; otherwise their middle.
  ///
  /// - Parameter least: smallest step where nothing is known beyond.
  func inside(_ next: Int, from budget: Int, atLeast least: Int) -> Int {
    if let within, let beyond {
      return within < next && next < beyond && step == 0 ? next : (within + beyond) / 2
    }
    let step = max(step, least)
    return beyond != nil ? min(next, budget - step) : max(next, budget + step)
  }
}

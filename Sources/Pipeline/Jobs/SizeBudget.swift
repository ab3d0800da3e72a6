import Exports
import LanguageModels

/// A target in bytes as a budget of block parameters, which is what methods and allocations keep to.
///
/// Bytes follow from the parameters alone only if all weights are stored alike. Matrices of a quantisation have types of
/// their own, which change with their widths, and a cache has nothing to do with MLPs. So a subnet is made, its bytes are
/// counted, and the budget is corrected until they are within a hundredth of the target, and not above.
struct SizeBudget {
  /// Share of the target that may be left.
  private static let slack = 0.01
  private static let attempts = 6

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
  /// - Parameter configuration: with the tokens that stay.
  func bytes(of configuration: ModelConfiguration) throws -> Int? {
    guard let shipped else { return nil }
    return try shipped.bytes(of: configuration) + target.cacheBytes(of: configuration)
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
  /// - Parameter make: makes one of at most so many block parameters; its configuration has the tokens that stay.
  /// - Returns: the largest that was made within the target.
  /// - Throws: `PipelineError.invalidOption` if none was, and what `make` throws.
  func fitted<Made>(_ make: (_ budget: Int) throws -> (made: Made, configuration: ModelConfiguration)) throws -> Made {
    var budget = try first()
    guard let limit = target.bytes else { return try make(budget).made }
    let (base, slope) = try line()
    // With blocks subnets of several sizes have the same bytes: the largest of them is the best.
    var best: (made: Made, bytes: Int, parameters: Int)?
    var smallest = Int.max
    for _ in 0..<Self.attempts {
      let (made, configuration) = try make(budget)
      let bytes = try bytes(of: configuration) ?? 0
      smallest = min(smallest, bytes)
      let parameters = configuration.blockParameters
      if bytes <= limit, best.map({ ($0.parameters, $0.bytes) < (parameters, bytes) }) ?? true {
        best = (made, bytes, parameters)
      }
      if bytes <= limit, Double(bytes) >= (1 - Self.slack) * Double(limit) || budget == dense.blockParameters { break }
      // Aims at the middle of what is allowed, along the line from the model without layers through what was made.
      let own = max(slope / 4, (Double(bytes) - base) / Double(max(1, configuration.blockParameters)))
      let aim = (1 - Self.slack / 2) * Double(limit)
      let next = min(dense.blockParameters, max(1, budget + Int((aim - Double(bytes)) / own)))
      if next == budget { break }
      budget = next
    }
    guard let best else {
      throw PipelineError.invalidOption(
        "\(target.text) is too small: the smallest subnet that was made takes \(smallest) bytes")
    }
    return best.made
  }
}

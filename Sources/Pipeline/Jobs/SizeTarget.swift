import Exports
import LanguageModels

/// What a subnet may cost at most.
///
/// Sizes are of what is written: of a configuration with fewer tokens they count these only.
public enum SizeTarget: Codable, Equatable, Sendable {
  /// Share of the parent's block parameters.
  case keep(Double)
  /// All parameters: embedding, head and norms, too.
  case parameters(Int)
  /// Bytes of the files that hold the weights, as they are stored (`ShippedSize`).
  case size(Int)
  /// The same together with the keys and values of so many tokens, in two bytes each.
  case memory(Int, context: Int)

  public var named: NamedSetting {
    switch self {
    case .keep(let share): .init("keep", share)
    case .parameters(let count): .init("params", count)
    case .size(let bytes): .init("size", bytes)
    case .memory(let bytes, _): .init("memory", bytes)
    }
  }

  /// As a command line gives it.
  var text: String {
    let words = named.words.joined(separator: " ")
    if case .memory(_, let context) = self { return words + " --context \(context)" }
    return words
  }

  /// What it allows, if it is in bytes.
  var bytes: Int? {
    switch self {
    case .size(let bytes), .memory(let bytes, _): bytes
    default: nil
    }
  }

  /// Tokens whose keys and values it counts.
  var context: Int? { if case .memory(_, let context) = self { context } else { nil } }

  /// Bytes of the keys and values that the target counts: those of a window in layers that have one.
  func cacheBytes(of configuration: ModelConfiguration) -> Int {
    guard case .memory(_, let context) = self else { return 0 }
    return configuration.layers.indices.reduce(0) { sum, layer in
      let kept = min(context, configuration.attention(of: layer).window ?? context)
      return sum + 2 * 2 * kept * configuration.layers[layer].kvHeads * configuration.headDimension
    }
  }

  /// - Throws: `PipelineError.invalidOption` for a size that no subnet has.
  public func validate() throws {
    if case .keep(let share) = self, !(share > 0 && share <= 1) {
      throw PipelineError.invalidOption("--keep is a share above 0 and at most 1, not \(share)")
    }
    if case .memory(_, let context) = self, context < 1 {
      throw PipelineError.invalidOption("--context is a number of tokens above 0, not \(context)")
    }
  }

  /// - Throws: `PipelineError.invalidOption` for shares that no subnets have, or the same twice.
  static func check(keeps: [Double]) throws {
    try PipelineError.require(
      !keeps.isEmpty && keeps.allSatisfy { $0 > 0 && $0 <= 1 } && Set(keeps).count == keeps.count,
      "--keep is a list of different shares above 0 and at most 1, such as 0.9,0.8")
  }

  /// - Throws: `PipelineError.invalidOption` for targets that no subnets meet, or the same twice.
  static func check(_ targets: [SizeTarget]) throws {
    let shares = targets.compactMap { if case .keep(let share) = $0 { share } else { nil } }
    if targets.isEmpty || !shares.isEmpty { try check(keeps: shares) }
    for (place, target) in targets.enumerated() where targets[..<place].contains(target) {
      throw PipelineError.invalidOption("\(target.text) is given twice")
    }
  }

  /// - Parameter most: context of the model.
  /// - Throws: `PipelineError.invalidOption` for a cache of more tokens than the model can read.
  func check(context most: Int) throws {
    if case .memory(_, let context) = self, context > most {
      throw PipelineError.invalidOption("--context \(context) is more than the model's context of \(most) tokens")
    }
  }

  /// Most block parameters that the target allows, by the mean bytes of a parameter if it is in bytes (`SizeBudget` is exact).
  ///
  /// - Parameter type: of the weights in the file; two bytes each where nothing is written yet.
  func blockParameters(
    of configuration: ModelConfiguration, as type: WeightType = CheckpointOutput.standardType
  ) -> Int {
    switch self {
    case .keep(let share): Int((share * Double(configuration.blockParameters)).rounded(.down))
    case .parameters(let count): count - configuration.outerParameters
    case .size(let bytes), .memory(let bytes, _):
      (bytes - cacheBytes(of: configuration)) * type.element.blockSize / type.element.bytesPerBlock
        - configuration.outerParameters
    }
  }

  /// The largest share of the block parameters that the target allows.
  func share(of configuration: ModelConfiguration, blockParameters: Int) -> Double {
    if case .keep(let share) = self { return share }
    return Double(blockParameters) / Double(configuration.blockParameters)
  }

  /// Parameters of a subnet that comes within a tenth of the target, for what is known of its size beforehand.
  func parameters(
    of configuration: ModelConfiguration, as type: WeightType = CheckpointOutput.standardType
  ) -> Int {
    configuration.outerParameters + max(0, blockParameters(of: configuration, as: type)) / 10 * 9
  }
}

extension ModelConfiguration {
  func keepRatio(of subnet: ModelConfiguration) -> Double { Double(subnet.blockParameters) / Double(blockParameters) }
}

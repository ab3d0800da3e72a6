import LanguageModels

/// What a subnet may cost at most.
public enum SizeTarget: Codable, Equatable, Sendable {
  /// Share of the parent's block parameters.
  case keep(Double)
  /// All parameters, embeddings included.
  case parameters(Int)
  /// Bytes of all weights at two bytes each.
  case size(Int)

  var named: NamedSetting {
    switch self {
    case .keep(let share): .init("keep", share)
    case .parameters(let count): .init("params", count)
    case .size(let bytes): .init("size", bytes)
    }
  }

  /// - Throws: `PipelineError.invalidOption` for a share that no subnet has.
  public func validate() throws {
    if case .keep(let share) = self, !(share > 0 && share <= 1) {
      throw PipelineError.invalidOption("--keep is a share above 0 and at most 1, not \(share)")
    }
  }

  /// - Throws: `PipelineError.invalidOption` for shares that no subnets have, or the same twice.
  static func check(keeps: [Double]) throws {
    try PipelineError.require(
      !keeps.isEmpty && keeps.allSatisfy { $0 > 0 && $0 <= 1 } && Set(keeps).count == keeps.count,
      "--keep is a list of different shares above 0 and at most 1, such as 0.9,0.8")
  }

  /// Most block parameters that the target allows.
  func blockParameters(of configuration: ModelConfiguration) -> Int {
    switch self {
    case .keep(let share): Int((share * Double(configuration.blockParameters)).rounded(.down))
    case .parameters(let count): count - configuration.outerParameters
    case .size(let bytes): bytes / 2 - configuration.outerParameters
    }
  }

  /// Parameters of a subnet that comes within a tenth of the target, for what is known of its size beforehand.
  func parameters(of configuration: ModelConfiguration) -> Int {
    configuration.outerParameters + max(0, blockParameters(of: configuration)) / 10 * 9
  }
}

extension ModelConfiguration {
  func keepRatio(of subnet: ModelConfiguration) -> Double { Double(subnet.blockParameters) / Double(blockParameters) }
}

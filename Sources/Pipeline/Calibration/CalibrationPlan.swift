import Calibration
import Foundation
import Subnets

/// Which token windows a run calibrates on and judges by, before any text is read.
public struct CalibrationPlan: Codable, Equatable, Sendable {
  public var calibration: [CalibrationSource] = [.model]
  public var calibrationWindows = 32
  /// Windows of each set that a descent goes over, those of the calibration among them; `nil` for those alone.
  public var descentWindows: Int?
  public var calibrationLength = 512
  public var fitnessWindows = 8
  public var fitnessLength = 256
  /// The first calibration windows, on which gradients are taken.
  public var gradientWindows = GradientStore.windows
  /// Rules for what is left out of the sources.
  public var filter = CalibrationFilter()
  /// Number of sets that each source is dealt out to, so that a search can choose among them.
  public var subsets = 1
  public var seed: UInt64 = 0

  public init() {}

  /// - Throws: `PipelineError.invalidOption` for numbers that no run can have.
  public func validate() throws {
    let most = 1 << 20
    for (option, value, range) in [
      ("calibration-windows", calibrationWindows, 1...most), ("fitness-windows", fitnessWindows, 1...most),
      ("calibration-length", calibrationLength, 2...most), ("fitness-length", fitnessLength, 2...most),
      ("gradient-windows", gradientWindows, 1...Int.max), ("min-tokens", filter.minimumTokens, 0...Int.max),
      ("calibration-subsets", subsets, 1...1000),
    ] where !range.contains(value) {
      let bounds =
        range.upperBound == .max
        ? "at least \(range.lowerBound)" : "between \(range.lowerBound) and \(range.upperBound)"
      throw PipelineError.invalidOption("--\(option) must be \(bounds), not \(value)")
    }
    if let descentWindows {
      try PipelineError.require(
        (calibrationWindows...most).contains(descentWindows),
        "--descent-windows must be between --calibration-windows, \(calibrationWindows), and \(most), not "
          + "\(descentWindows)")
      try PipelineError.require(subsets == 1, "--descent-windows and --calibration-subsets exclude each other")
    }
    try PipelineError.require(
      max(calibrationWindows, descentWindows ?? 0) * calibrationLength <= 1 << 28
        && fitnessWindows * fitnessLength <= 1 << 28,
      "the windows of each kind must have at most \(1 << 28) tokens together")
  }

  /// Every setting under the name of its option.
  var named: [NamedSetting] {
    [
      .init("calibration", calibration.map { $0.url?.relativePath ?? "self" }),
      .init("field", calibration.compactMap(\.field).first), .init("calibration-windows", calibrationWindows),
      .init("descent-windows", descentWindows),
      .init("calibration-length", calibrationLength), .init("fitness-windows", fitnessWindows),
      .init("fitness-length", fitnessLength), .init("gradient-windows", gradientWindows),
      .init("min-tokens", filter.minimumTokens), .init("duplicates", filter.duplicates.rawValue),
      .init("loss-band", filter.lossBand), .init("calibration-subsets", subsets), .init("seed", seed),
    ]
  }

  /// Tokens of a backward pass.
  var gradientTokens: Int { min(gradientWindows, calibrationWindows) * calibrationLength }

  /// The calibration sets, each with a name of its own.
  ///
  /// - Throws: `CalibrationError.contradiction`, `.unusable`.
  public func sources() throws -> [CalibrationSource] {
    for (index, source) in calibration.enumerated() {
      if calibration[..<index].contains(where: { $0.name == source.name }) {
        throw CalibrationError.contradiction("two calibration sets are called '\(source.name)'")
      }
      if source.name == BoundSpace.mix {
        throw CalibrationError.unusable(
          source.url?.relativePath ?? "self",
          reason: "a calibration set cannot be called '\(source.name)', which stands for all sets together; "
            + "rename the file")
      }
    }
    return calibration
  }

  /// The files that are read.
  ///
  /// - Throws: as `sources()`.
  func files() throws -> [URL] { try sources().compactMap(\.url) }

  /// Names of the sets: `wiki`, or `wiki#1`, `wiki#2`, … where the source is dealt out to several.
  ///
  /// - Throws: as `sources()`.
  public func setNames() throws -> [String] {
    try sources().flatMap { source in (1...subsets).map { setName(source, $0) } }
  }

  func setName(_ source: CalibrationSource, _ subset: Int) -> String {
    subsets > 1 ? "\(source.name)#\(subset)" : source.name
  }
}

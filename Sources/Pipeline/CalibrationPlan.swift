import Calibration
import Foundation
import LanguageModels
import Subnets

/// Which token windows a run calibrates on and judges by, before any text is read.
public struct CalibrationPlan: Codable, Equatable, Sendable {
  /// `self` or paths, as given.
  public var calibration: [String]
  /// Field of the text in JSON lines.
  public var field: String
  public var calibrationWindows: Int
  public var calibrationLength: Int
  public var fitnessWindows: Int
  public var fitnessLength: Int
  public var seed: UInt64

  public init(
    calibration: [String], field: String, calibrationWindows: Int, calibrationLength: Int, fitnessWindows: Int,
    fitnessLength: Int, seed: UInt64
  ) {
    self.calibration = calibration
    self.field = field
    self.calibrationWindows = calibrationWindows
    self.calibrationLength = calibrationLength
    self.fitnessWindows = fitnessWindows
    self.fitnessLength = fitnessLength
    self.seed = seed
  }

  /// The calibration sets, each with a name of its own.
  ///
  /// - Throws: `CalibrationError.duplicateName`, `.reservedName`.
  public func sources() throws -> [CalibrationSource] {
    let sources = calibration.map { CalibrationSource($0, field: field) }
    for (index, source) in sources.enumerated() {
      if sources[..<index].contains(where: { $0.name == source.name }) {
        throw CalibrationError.duplicateName(source.name)
      }
      if source.name == BoundSpace.mix {
        throw CalibrationError.reservedName(file: calibration[index], name: source.name)
      }
    }
    return sources
  }
}

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
  /// Of the first calibration windows, those that gradients are taken on.
  public var gradientWindows: Int
  public var seed: UInt64
  /// What is left out of the sources.
  public var filter: CalibrationFilter
  /// Sets that each source is dealt out to, so that a search can choose among them.
  public var subsets: Int

  public init(
    calibration: [String], field: String, calibrationWindows: Int, calibrationLength: Int, fitnessWindows: Int,
    fitnessLength: Int, gradientWindows: Int = GradientStore.windows, seed: UInt64,
    filter: CalibrationFilter = CalibrationFilter(), subsets: Int = 1
  ) {
    self.calibration = calibration
    self.field = field
    self.calibrationWindows = calibrationWindows
    self.calibrationLength = calibrationLength
    self.fitnessWindows = fitnessWindows
    self.fitnessLength = fitnessLength
    self.gradientWindows = gradientWindows
    self.seed = seed
    self.filter = filter
    self.subsets = subsets
  }

  private enum CodingKeys: String, CodingKey {
    case calibration, field, calibrationWindows, calibrationLength, fitnessWindows, fitnessLength, gradientWindows, seed
    case filter, subsets
  }

  /// Filters, subsets and windows for gradients are the defaults where they are missing, so that older records stay readable.
  public init(from decoder: Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      calibration: try values.decode([String].self, forKey: .calibration),
      field: try values.decode(String.self, forKey: .field),
      calibrationWindows: try values.decode(Int.self, forKey: .calibrationWindows),
      calibrationLength: try values.decode(Int.self, forKey: .calibrationLength),
      fitnessWindows: try values.decode(Int.self, forKey: .fitnessWindows),
      fitnessLength: try values.decode(Int.self, forKey: .fitnessLength),
      gradientWindows: try values.decodeIfPresent(Int.self, forKey: .gradientWindows) ?? GradientStore.windows,
      seed: try values.decode(UInt64.self, forKey: .seed),
      filter: try values.decodeIfPresent(CalibrationFilter.self, forKey: .filter) ?? CalibrationFilter(),
      subsets: try values.decodeIfPresent(Int.self, forKey: .subsets) ?? 1)
  }

  /// Tokens of a backward pass.
  var gradientTokens: Int { min(gradientWindows, calibrationWindows) * calibrationLength }

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

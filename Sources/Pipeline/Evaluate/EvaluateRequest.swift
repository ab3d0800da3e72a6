import Calibration

/// Texts that a model is to be measured on.
public struct EvaluateRequest: Codable, Equatable, Sendable {
  public var model: String
  /// A model of the same vocabulary to compare with.
  public var dense: String?
  /// The texts, none of them the model's own.
  public var texts: [CalibrationSource]
  /// Tokens in a window, of every length that is measured; `nil` for the standard ones, as far as the context allows.
  public var windowLengths: [Int]?
  /// Maximum number of windows of each text and length; `nil` for all.
  public var windows: Int?

  public static let standardLengths = [2048, 128]

  public init(model: String, texts: [CalibrationSource]) { (self.model, self.texts) = (model, texts) }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require(!texts.isEmpty, "--text needs at least one file")
    try PipelineError.require(
      windowLengths.map { !$0.isEmpty && $0.allSatisfy { $0 >= 2 } } ?? true,
      "--window-length is a list of lengths of at least 2, such as 2048,128")
    try PipelineError.require(windows ?? 1 >= 1, "--windows must be at least 1")
  }

  /// The lengths that are measured: each once.
  func lengths(within context: ContextLimit) -> [Int] {
    func length(_ given: Int?, _ standard: Int) -> Int {
      context.length(given, default: standard, option: "--window-length")
    }
    let lengths = windowLengths?.map { length($0, $0) } ?? Self.standardLengths.map { length(nil, $0) }
    return lengths.indices.filter { !lengths[..<$0].contains(lengths[$0]) }.map { lengths[$0] }
  }
}

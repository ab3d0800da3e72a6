import Calibration
import Foundation
import Methods

/// Everything that decides what a comparison of methods measures. A comparison goes on with an equal request, or one with more
/// methods or sizes.
public struct CompareRequest: Codable, Equatable, Sendable {
  public var model: String
  /// Names of methods, or variants of one, such as `ours-fast:repair=none:step=8`.
  public var methods: [String]
  /// Shares of the block parameters to keep at most.
  public var keeps: [Double]
  public var plan = CalibrationPlan()
  /// The texts that are evaluated on.
  public var texts: [CalibrationSource]
  /// Tokens in an evaluation window.
  public var window = 1024
  /// Most evaluation windows of each text.
  public var windows = 10
  /// Tasks that every cell is asked; `nil` for none.
  public var tasks: TaskRequest?
  /// SHA-256 of the files of the tasks; empty before they were looked at.
  var taskFiles: [String]?
  /// `method.setting=value` each.
  public var assignments: [String] = []
  /// Candidates that a method with a search may judge at each size, if no assignment says another number.
  public var evaluations = 100
  /// `nil` lets held-out tokens choose.
  public var damping: Double?

  public static let standard = CompareRequest(model: "", methods: [], keeps: [], texts: [])

  public init(model: String, methods: [String], keeps: [Double], texts: [CalibrationSource]) {
    (self.model, self.methods, self.keeps, self.texts) = (model, methods, keeps, texts)
  }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try SizeTarget.check(keeps: keeps)
    try PipelineError.require(!texts.isEmpty, "--text needs at least one file")
    try tasks?.validate()
    try PipelineError.require(evaluations >= 1, "--evaluations must be at least 1")
    try PipelineError.require(
      window >= 2 && windows >= 1, "--window-length must be at least 2, and --windows at least 1")
  }

  /// The request with the hashes of its tasks' files: a comparison goes on with the same items only.
  func lookedAt() throws -> CompareRequest {
    var request = self
    request.taskFiles = try tasks.map { try $0.hashes() }
    return request
  }

  /// A row of the comparison.
  struct Entry {
    let label: String
    let method: any PruningMethod
    let values: SettingValues

    /// The row without the training behind it; `nil` if there is none.
    var untrained: String? {
      label.range(of: MethodRegistry.descentSuffix).map { label.replacingCharacters(in: $0, with: "") }
    }
  }

  /// The methods asked for, and `uniform` beside them.
  func entries() throws -> [Entry] {
    let control = MethodRegistry.control
    let labels = methods.contains(control) ? methods : methods + [control]
    if let twice = labels.indices.first(where: { labels[..<$0].contains(labels[$0]) }) {
      throw PipelineError.invalidOption("--methods has '\(labels[twice])' twice")
    }
    let names = labels.map(MethodRegistry.baseName)
    for assignment in assignments {
      guard assignment.contains("="), names.contains(where: { assignment.hasPrefix($0 + ".") }) else {
        throw PipelineError.invalidOption(
          "--set is METHOD.SETTING=VALUE with one of the methods compared, not '\(assignment)'")
      }
    }
    return try labels.map { label in
      let parts = label.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      let method = try MethodRegistry.named(parts[0])
      let prefix = MethodRegistry.baseName(parts[0]) + "."
      // The number of evaluations comes first, a variant's own settings come last and win.
      let limits = method.settings.contains { $0.name == "evaluations" } ? ["evaluations=\(evaluations)"] : []
      let shared = assignments.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
      return Entry(
        label: label, method: method, values: try SettingValues(of: method, limits + shared + parts.dropFirst()))
    }
  }
}

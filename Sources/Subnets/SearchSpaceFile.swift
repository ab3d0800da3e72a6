import Foundation
import Yams

extension SearchSpace {
  public static func text(of url: URL) throws -> String {
    guard let data = try? Data(contentsOf: url), let text = String(validating: data, as: UTF8.self) else {
      throw SearchSpaceError.invalid(file: url.path, problem: "no such search space, or it cannot be read")
    }
    return text
  }

  /// Reads a space from a text.
  ///
  /// - Parameters:
  ///   - file: name for errors.
  ///   - replacement: scores that replace those of the text; `nil` keeps them.
  public init(yaml: String, file: String, scores replacement: [String]? = nil) throws {
    let root: Node?
    do {
      root = try Yams.compose(yaml: yaml)
    } catch {
      let problem = "\(error)".split(separator: "\n").joined(separator: " ")
      throw SearchSpaceError.invalid(file: file, problem: problem)
    }
    guard let root, root.mapping != nil else {
      throw SearchSpaceError.invalid(file: file, problem: "a search space is a mapping of keys to values")
    }
    let top = Section(node: root, file: file)
    try top.allow([
      "name", "summary", "layers", "attention", "mlp", "floors", "scores", "aggregations", "calibration", "samples",
      "damping", "keep",
    ])
    name = try top.required("name", top.string("name"))
    summary = try top.string("summary") ?? summary
    layers = try top.choice("layers") ?? layers
    attention = try WidthRule(top.section("attention"), minimum: .units(1), step: 1, ofAttention: true)
    mlp = try WidthRule(top.section("mlp"), minimum: .share(0.15), step: nil)
    floors = try top.sections("floors").map(Floor.init)
    scores = try replacement ?? top.strings("scores") ?? ["obs-loss", "obs", "flap"]
    aggregations = try top.strings("aggregations") ?? aggregations
    calibrations = try top.choices("calibration") ?? [.each, .mix]
    samples = try top.integers("samples") ?? samples
    damping = try top.numbers("damping") ?? damping
    let range = try top.numbers("keep") ?? [0.5, 1]
    guard range.count == 2, range[0] > 0, range[0] <= range[1], range[1] <= 1 else {
      throw top.invalid("keep", "must be two shares, the smaller first, above 0 and at most 1")
    }
    keep = range[0]...range[1]
    if scores.isEmpty { throw top.invalid("scores", "must name at least one score") }
    if Set(scores).count < scores.count { throw top.invalid("scores", "must not name a score twice") }
    if Set(allScores).count < allScores.count { throw top.invalid("aggregations", "must not name one twice") }
    if !aggregations.isEmpty, !scores.contains(where: SearchSpace.takesAggregation) {
      throw top.invalid(
        "aggregations", "are for scores that take one (llm-pruner-first and its kind), but 'scores' has none")
    }
    if Set(calibrations).count < calibrations.count { throw top.invalid("calibration", "must not name a choice twice") }
    if calibrations.isEmpty { throw top.invalid("calibration", "must name at least one choice") }
    if samples.contains(where: { !(1...Section.most).contains($0) }) || Set(samples).count < samples.count {
      throw top.invalid("samples", "must be different numbers of windows, between 1 and \(Section.most)")
    }
    if damping.contains(where: { !(1e-9...1e6).contains($0) }) || Set(damping).count < damping.count {
      throw top.invalid("damping", "must be different shares between 1e-9 and 1e6")
    }
  }
}

extension SearchSpace.WidthRule {
  fileprivate init(
    _ section: Section?, minimum: SearchSpace.Amount, step: Int?, ofAttention: Bool = false
  ) throws {
    try section?.allow(["minimum", "step", ofAttention ? "queries" : "expert_channels"])
    queries = try section?.count("queries")
    expertChannels = try section?.count("expert_channels")
    self.minimum = try section?.amount("minimum", orNone: true) ?? minimum
    // `auto` is an answer of its own: nil, and not the default.
    self.step = section?.node.mapping?["step"] == nil ? step : try section?.step("step")
  }
}

extension SearchSpace.Floor {
  fileprivate init(_ section: Section) throws {
    try section.allow(["layers", "attention", "mlp"])
    layers = try section.required("layers", section.integers("layers"))
    attention = try section.amount("attention")
    mlp = try section.amount("mlp")
  }
}

/// Typed access to one YAML mapping, with errors that name file, line and key.
private struct Section {
  /// More units and windows than any model or text has. Sums and products of such numbers stay in range.
  static let most = 1 << 30

  let node: Node
  let file: String

  func allow(_ known: [String]) throws {
    guard let mapping = node.mapping else {
      throw SearchSpaceError.invalid(file: file, problem: "line \(line(node)): expected keys and values")
    }
    for (key, _) in mapping where !known.contains(key.string ?? "") {
      throw SearchSpaceError.unknownKey(file: file, line: line(key), key: key.string ?? "?", known: known)
    }
  }

  func required<Value>(_ key: String, _ value: Value?) throws -> Value {
    guard let value else { throw SearchSpaceError.invalid(file: file, problem: "the key '\(key)' is missing") }
    return value
  }

  func invalid(_ key: String, _ problem: String) -> SearchSpaceError {
    .invalidValue(file: file, line: line(node.mapping?[key] ?? node), key: key, problem: problem)
  }

  func string(_ key: String) throws -> String? { try scalar(key, "must be text") { $0.string } }

  func section(_ key: String) -> Section? { node.mapping?[key].map { Section(node: $0, file: file) } }

  func sections(_ key: String) throws -> [Section] {
    guard let value = node.mapping?[key] else { return [] }
    guard let list = value.sequence else { throw invalid(key, "must be a list") }
    return list.map { Section(node: $0, file: file) }
  }

  func strings(_ key: String) throws -> [String]? { try list(key, "must be a list of names") { $0.string } }
  func numbers(_ key: String) throws -> [Double]? { try list(key, "must be a list of numbers") { $0.float } }
  func integers(_ key: String) throws -> [Int]? { try list(key, "must be a list of whole numbers") { $0.int } }

  func choice<Choice: RawRepresentable & CaseIterable>(_ key: String) throws -> Choice?
  where Choice.RawValue == String {
    try scalar(key, "must be one of \(Self.names(Choice.self))") { $0.string.flatMap(Choice.init(rawValue:)) }
  }

  func choices<Choice: RawRepresentable & CaseIterable>(_ key: String) throws -> [Choice]?
  where Choice.RawValue == String {
    try list(key, "must be a list of \(Self.names(Choice.self))") { $0.string.flatMap(Choice.init(rawValue:)) }
  }

  /// A whole number of units, or a share when written with a decimal point.
  func amount(_ key: String, orNone: Bool = false) throws -> SearchSpace.Amount? {
    let fewest = orNone ? 0 : 1
    let problem =
      "must be a whole number of units (between \(fewest) and \(Self.most)) or a share above 0 and at most 1.0"
    return try scalar(key, problem) { node in
      if let units = node.int { return (fewest...Self.most).contains(units) ? .units(units) : nil }
      guard let share = node.float, share > 0, share <= 1 else { return nil }
      return .share(share)
    }
  }

  func count(_ key: String) throws -> Int? {
    try scalar(key, "must be a whole number between 1 and \(Self.most)") { Self.count($0) }
  }

  /// A positive number of units, or `auto`.
  func step(_ key: String) throws -> Int? {
    if node.mapping?[key]?.string == "auto" { return nil }
    return try scalar(key, "must be a whole number between 1 and \(Self.most), or auto") { Self.count($0) }
  }

  private static func count(_ node: Node) -> Int? { node.int.flatMap { (1...most).contains($0) ? $0 : nil } }

  private func scalar<Value>(_ key: String, _ problem: String, _ read: (Node) -> Value?) throws -> Value? {
    guard let node = node.mapping?[key] else { return nil }
    guard node.scalar != nil, let value = read(node) else { throw invalid(key, problem) }
    return value
  }

  private func list<Value>(_ key: String, _ problem: String, _ read: (Node) -> Value?) throws -> [Value]? {
    guard let node = node.mapping?[key] else { return nil }
    guard let nodes = node.sequence else { throw invalid(key, problem) }
    return try nodes.map { item in
      guard let value = read(item) else { throw invalid(key, problem) }
      return value
    }
  }

  private static func names<Choice: RawRepresentable & CaseIterable>(_: Choice.Type) -> String
  where Choice.RawValue == String {
    Choice.allCases.map(\.rawValue).joined(separator: ", ")
  }

  private func line(_ node: Node) -> Int { node.mark?.line ?? 0 }
}

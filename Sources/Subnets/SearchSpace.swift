/// The choices of a search, read from a YAML file; `search-spaces/README.md` documents every key.
public struct SearchSpace: Sendable, Equatable {
  public var name: String
  public var summary = ""
  /// Whether each layer has widths of its own, or all share one.
  public var layers = Layers.each
  public var attention: WidthRule
  public var mlp: WidthRule
  public var floors: [Floor] = []
  /// Names of scores, the choices of the score gene.
  public var scores: [String]
  /// Aggregations of a unit's matrices in LLM-Pruner's scores: the choices of a gene that is active for those scores.
  /// If empty, the scores' names decide, and there is no gene.
  public var aggregations: [String] = []
  /// The choices of the calibration gene.
  public var calibrations: [CalibrationChoice]
  /// Numbers of windows of a calibration set: the choices of a gene. If empty, all windows are used, and there is no
  /// gene.
  public var samples: [Int] = []
  /// λ of the least squares as shares of the Gram's mean diagonal: the choices of a gene. If empty, the search's own λ
  /// is used, and there is no gene.
  public var damping: [Double] = []
  /// Shares of the block parameters that a search without a target spans.
  public var keep: ClosedRange<Double>

  public enum Layers: String, Sendable, CaseIterable {
    case each, shared
  }

  public enum CalibrationChoice: String, Sendable, CaseIterable {
    /// Every set given on the command line.
    case each
    /// All sets together; a choice only if there are several.
    case mix
  }

  /// Any widths of every layer, units ranked by scores on all calibration text.
  ///
  /// - Parameters:
  ///   - minimum: units that a module keeps.
  ///   - step: channels that an MLP loses at a time; `nil` chooses by its width.
  ///   - queries: query heads that every kept KV group keeps; `nil` for all.
  ///   - expertChannels: channels that every kept expert keeps; `nil` for all.
  public static func widths(
    scores: [String], minimum: Int = 1, step: Int? = nil, queries: Int? = nil, expertChannels: Int? = nil
  ) -> SearchSpace {
    SearchSpace(
      name: "widths of \(scores.joined(separator: ", "))",
      attention: WidthRule(minimum: .units(minimum), step: 1, queries: queries),
      mlp: WidthRule(minimum: .units(minimum), step: step, expertChannels: expertChannels), scores: scores,
      calibrations: [.mix], keep: 0...1)
  }

  /// Whether a score can be followed by `:` and an aggregation.
  public static func takesAggregation(_ score: String) -> Bool {
    score.hasPrefix("llm-pruner-") && !score.contains(":") && !score.contains("+")
  }

  /// The name of a score with an aggregation; a name without one means the sum.
  public static func score(_ score: String, aggregation: String) -> String {
    aggregation == "sum" || !takesAggregation(score) ? score : "\(score):\(aggregation)"
  }

  /// Every score that a genome may name.
  public var allScores: [String] {
    scores.flatMap { score in
      aggregations.isEmpty || !Self.takesAggregation(score)
        ? [score] : aggregations.map { Self.score(score, aggregation: $0) }
    }
  }

  /// The narrowest width of a module, and the step between widths.
  public struct WidthRule: Sendable, Equatable {
    /// No units: every layer except the first may lose the module.
    public var minimum: Amount
    /// Units in a step; `nil` chooses by `WidthRule.automaticStep(width:)`.
    public var step: Int?
    /// For attention: number of query heads that every kept group keeps in all layers; `nil` for all.
    public var queries: Int?
    /// For MLPs of experts: number of channels that every kept expert keeps in all layers; `nil` for all.
    public var expertChannels: Int?

    /// A step that keeps widths friendly to hardware and loaders: the largest of 256 (for 8192 and more), 32, 16, 8, 4,
    /// 2 that divides the width and leaves at least eight steps, else 1.
    public static func automaticStep(width: Int) -> Int {
      [256, 32, 16, 8, 4, 2].first { step in
        width % step == 0 && width / step >= 8 && (step < 256 || width >= 8192)
      } ?? 1
    }
  }

  /// A number of units, or a share of the parent's.
  public enum Amount: Sendable, Equatable {
    case units(Int)
    case share(Double)

    func units(of width: Int) -> Int {
      switch self {
      case .units(let count): count
      // 0.07 · 100 is a little more than 7.
      case .share(let share): Int((share * Double(width) * (1 - 1e-12)).rounded(.up))
      }
    }
  }

  /// Higher minima for some layers. Negative indices count from the end.
  public struct Floor: Sendable, Equatable {
    public var layers: [Int]
    public var attention: Amount?
    public var mlp: Amount?
  }
}

public enum SearchSpaceError: Error, Equatable, CustomStringConvertible {
  case invalid(file: String, problem: String)
  case unknownKey(file: String, line: Int, key: String, known: [String])
  case invalidValue(file: String, line: Int, key: String, problem: String)
  case notFound(name: String, known: [String])
  case doesNotFit(space: String, problem: String)

  public var description: String {
    switch self {
    case .invalid(let file, let problem): "\(file): \(problem)"
    case .unknownKey(let file, let line, let key, let known):
      "\(file):\(line): unknown key '\(key)' (known: \(known.joined(separator: ", ")))"
    case .invalidValue(let file, let line, let key, let problem): "\(file):\(line): '\(key)' \(problem)"
    case .notFound(let name, let known):
      "no search space '\(name)' (known: \(known.joined(separator: ", ")); or give the path of a .yaml file)"
    case .doesNotFit(let space, let problem): "search space '\(space)': \(problem)"
    }
  }
}

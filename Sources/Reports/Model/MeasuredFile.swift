/// A checkpoint on disk that was measured behind the search: a point of the study as it was exported, or the dense model in some type.
public struct MeasuredFile: Codable, Equatable, Sendable {
  /// Perplexity on a text, and what a comparison with the study's dense model found.
  public struct Text: Codable, Equatable, Sendable {
    /// The file's name.
    public var name: String
    /// Tokens in a window.
    public var window: Int
    public var windows: Int
    public var perplexity: Double
    /// Nats a token.
    public var kl: Double?
    /// Share of positions, 0…1.
    public var top1Agreement: Double?

    public init(
      name: String, window: Int, windows: Int, perplexity: Double, kl: Double? = nil, top1Agreement: Double? = nil
    ) {
      (self.name, self.window, self.windows) = (name, window, windows)
      (self.perplexity, self.kl, self.top1Agreement) = (perplexity, kl, top1Agreement)
    }

    /// Whether perplexities compare: the same windows of the same text.
    public func isLike(_ other: Text) -> Bool {
      (name, window, windows) == (other.name, other.window, other.windows)
    }
  }

  /// One metric of a task, or a mean over tasks.
  public struct Task: Codable, Equatable, Sendable {
    /// `mean` for a mean.
    public var task: String
    /// As `evaluate` calls it; of a mean what enters it.
    public var metric: String
    public var items: Int?
    public var value: Double
    /// Standard error.
    public var error: Double?
    /// Whether the value is a share of items, 0…1.
    public var isShare: Bool
    public var isHigherBetter: Bool
    /// Whether tables show it: the task's primary metric.
    public var isPrimary: Bool

    public init(
      task: String, metric: String, items: Int?, value: Double, error: Double?, isShare: Bool, isHigherBetter: Bool,
      isPrimary: Bool
    ) {
      (self.task, self.metric, self.items, self.value) = (task, metric, items, value)
      (self.error, self.isShare, self.isHigherBetter, self.isPrimary) = (error, isShare, isHigherBetter, isPrimary)
    }

    /// Whether values compare: the same metric of as many items.
    public func isLike(_ other: Task) -> Bool { (task, metric, items) == (other.task, other.metric, other.items) }
  }

  /// What stock llama.cpp takes for the file.
  public struct Speed: Codable, Equatable, Sendable {
    /// Tokens a second of a prompt, and of an answer.
    public var prompt: Double
    public var generation: Double
    /// Half of the range of the middle half of the rounds.
    public var promptSpread: Double
    public var generationSpread: Double
    public var residentBytes: Int?

    public init(
      prompt: Double, generation: Double, promptSpread: Double, generationSpread: Double, residentBytes: Int?
    ) {
      (self.prompt, self.generation, self.residentBytes) = (prompt, generation, residentBytes)
      (self.promptSpread, self.generationSpread) = (promptSpread, generationSpread)
    }
  }

  /// The file's name, without its folder.
  public var name: String
  /// Number of the study's trial; `nil` for the dense model.
  public var trial: Int?
  /// Type of the weights, such as `q4_k_m`.
  public var weights: String
  /// How the export's weights were corrected; `nil` for the dense model.
  public var repair: String?
  /// Rows of the embedding if tokens were dropped.
  public var tokens: Int?
  public var bytes: Int
  /// What tells it from others: SHA-256 of a file, fingerprint of a folder.
  public var identity: String
  public var texts: [Text] = []
  public var tasks: [Task] = []
  public var speed: Speed?

  public init(
    name: String, trial: Int?, weights: String, repair: String?, tokens: Int?, bytes: Int, identity: String
  ) {
    (self.name, self.trial, self.weights, self.repair) = (name, trial, weights, repair)
    (self.tokens, self.bytes, self.identity) = (tokens, bytes, identity)
  }
}

/// How the speed of files was measured, the same for all.
public struct SpeedConditions: Codable, Equatable, Sendable {
  public var machine: String
  /// Program and version.
  public var engine: String
  public var threads: Int
  /// Tokens of the prompt, before an answer, too.
  public var promptTokens: Int
  /// Tokens of the answer.
  public var generatedTokens: Int
  /// Times that each file had its turn.
  public var rounds: Int

  public init(
    machine: String, engine: String, threads: Int, promptTokens: Int, generatedTokens: Int, rounds: Int
  ) {
    (self.machine, self.engine, self.threads) = (machine, engine, threads)
    (self.promptTokens, self.generatedTokens, self.rounds) = (promptTokens, generatedTokens, rounds)
  }

  /// A sentence.
  var words: String {
    "Speed: \(engine) on \(machine), \(threads == 1 ? "1 thread" : "\(threads) threads"), a prompt of "
      + "\(NumberText.grouped(promptTokens)) tokens and an answer of \(NumberText.grouped(generatedTokens)), "
      + "medians of \(rounds == 1 ? "1 round" : "\(rounds) rounds") by turns."
  }
}

/// One item of a task: what a model is asked, and what is right.
public struct TaskItem: Sendable, Equatable {
  public enum Question: Sendable, Equatable {
    /// Whichever pair is most likely is the answer.
    ///
    /// - Parameters:
    ///   - texts: the choices, whose lengths in code points `acc_norm` divides by.
    ///   - right: index of the right one; `nil` where nobody said it.
    case choice(_ pairs: [TextPair], texts: [String], right: Int?)
    /// Whether the model would go on in this way.
    case continuation(TextPair)
    /// Whether what the model writes has the right answer.
    case generation(GenerationQuestion)
  }

  /// The file and line that it was read from.
  public let place: String
  public let question: Question
  /// The part of the task that it belongs to; empty if the task has none.
  public let group: String

  public init(_ place: String, _ question: Question, group: String = "") {
    (self.place, self.question, self.group) = (place, question, group)
  }

  /// A question with choices that follow one context, each after a space.
  ///
  /// - Throws: `TaskError.unusable` if no choice is the right one.
  static func choice(_ place: String, _ context: String, _ texts: [String], right: Int, group: String = "") throws
    -> TaskItem
  {
    try check(right, of: texts, place)
    return TaskItem(
      place, .choice(texts.map { TextPair(context, " " + $0) }, texts: texts, right: right), group: group)
  }

  static func check(_ right: Int, of texts: [String], _ place: String) throws {
    guard texts.indices.contains(right) else {
      throw TaskError.unusable(place, "the label \(right) is not one of \(texts.count) choices, counted from 0")
    }
  }

  /// The pairs that have to be scored.
  var pairs: [TextPair] {
    switch question {
    case .choice(let pairs, _, _): pairs
    case .continuation(let pair): [pair]
    case .generation: []
    }
  }
}

/// What a model is to write about, and what is right.
public struct GenerationQuestion: Sendable, Equatable {
  public let prompt: String
  /// The text ends before the first of these.
  public let stops: [String]
  /// Largest number of tokens.
  public let most: Int
  public let right: String

  /// As many as the Language Model Evaluation Harness allows.
  public static let standardTokens = 256

  public init(_ prompt: String, stops: [String], most: Int = standardTokens, right: String) {
    (self.prompt, self.stops, self.most, self.right) = (prompt, stops, most, right)
  }
}

/// What a model said to an item.
public enum TaskAnswer: Sendable, Equatable {
  /// One for each pair.
  case likelihoods([LogLikelihood])
  case text(String)
}

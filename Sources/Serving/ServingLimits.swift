/// What a server takes from its clients at most, so that no number of them, and nothing that they send, exhausts the machine.
public struct ServingLimits: Sendable, Equatable {
  /// Connections at a time. More are told to come back later, and four times as many are closed at once.
  public var connections = 128
  /// Bytes of a request's first line and headers.
  public var headBytes = 64 << 10
  /// Bytes of a request's body.
  public var bodyBytes = 2 << 20
  /// Requests that wait for the model.
  public var waiting = 64
  /// Texts or lists of tokens in one request, and choices of its answer.
  public var prompts = 128
  /// Tokens of one request: of all prompts, and of what may be written behind them.
  public var tokens = 1 << 16
  /// Log-probabilities in one answer.
  public var logProbabilities = 1 << 17
  /// Likely tokens that are told of at a place.
  public var alternatives = 20
  /// Texts that end a completion.
  public var stops = 16
  /// Seconds that a client may take to send a request, from its first byte to its last.
  public var readSeconds = 30
  /// Seconds without a request after which a connection is closed.
  public var idleSeconds = 60
  /// Seconds that a client may take to receive an answer, or the next part of a stream.
  public var writeSeconds = 60
  /// Bytes of a stream that a client has not taken yet.
  public var streamBytes = 1 << 20
  /// Seconds for which what a refused client still sends is read and dropped, so that it sees why it was refused.
  public var drainSeconds = 5
  /// Seconds after which a client that was told to come back may do so.
  public var retrySeconds = 2

  public static let standard = ServingLimits()

  public init() {}
}

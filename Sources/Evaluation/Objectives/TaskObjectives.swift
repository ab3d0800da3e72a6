import Search

/// What was found of a subnet on the development items of a task.
public struct TaskQuality: Equatable, Sendable {
  /// How much the subnet's loss lies above the dense model's: mean over items, in nats.
  public var loss: Double
  /// Standard error of that difference, from the differences item by item; `nil` for a single item.
  public var lossError: Double?
  /// Share of items whose right choice is the largest.
  public var accuracy: Double
  public var accuracyError: Double?

  public init(loss: Double, lossError: Double?, accuracy: Double, accuracyError: Double?) {
    (self.loss, self.lossError, self.accuracy, self.accuracyError) = (loss, lossError, accuracy, accuracyError)
  }
}

/// A task on whose development items subnets are measured.
public struct DevelopmentTask: Codable, Equatable, Sendable {
  /// Its name, also that of the objective.
  public var name: String
  /// The metric that decides between the choices: `acc` or `acc_norm`.
  public var metric: String
  public var items: Int
  /// Loss of a model to which all choices are alike: the mean of the logarithm of their number.
  public var guessing: Double

  public init(name: String, metric: String, items: Int, guessing: Double) {
    (self.name, self.metric, self.items, self.guessing) = (name, metric, items, guessing)
  }
}

/// How much less a subnet is sure of the right choices than the dense model.
///
/// An accuracy moves in steps of an item; this moves with every log-likelihood, so it tells subnets apart that answer alike.
public struct TaskLoss: Objective, Equatable {
  public let task: DevelopmentTask

  public init(_ task: DevelopmentTask) { self.task = task }

  public var name: String { task.name }
  public var title: String { "\(task.name) loss" }
  public let unit = "nats an item above the dense model"
  public let needs = ObjectiveNeed.answers

  public var summary: String {
    "On \(task.items) development items of \(task.name): minus the log-probability of the right choice among the choices, each as "
      + "likely as the exponential of its log-likelihood\(task.metric == "acc_norm" ? " by code point" : ""); mean difference to "
      + "the dense model, with the standard error of the differences item by item."
  }

  public func value(of subnet: EvaluatedSubnet) -> Double? { subnet.tasks[task.name]?.loss }
  public func standardError(of subnet: EvaluatedSubnet) -> Double? { subnet.tasks[task.name]?.lossError }

  /// A loss that lies above the dense model's by what guessing costs at most counts as the worst.
  public func shortfall(_ value: Double, dense: Double) -> Double {
    task.guessing > 0 ? max(0, value - dense) / task.guessing : 0
  }
}

/// The accuracy on the same items. It is shown and drives no search.
public struct TaskAccuracy: Objective, Equatable {
  public let task: DevelopmentTask

  public init(_ task: DevelopmentTask) { self.task = task }

  public var name: String { "\(task.name)_\(task.metric)" }
  public var title: String { "\(task.name) \(task.metric)" }
  public let style = NumberStyle.share
  public let direction = Direction.maximize
  public let needs = ObjectiveNeed.answers

  public var summary: String {
    "The share of the \(task.items) development items of \(task.name) that are answered rightly (\(task.metric)), with its standard "
      + "error. Never the share on the items that are reported."
  }

  public func value(of subnet: EvaluatedSubnet) -> Double? { subnet.tasks[task.name]?.accuracy }
  public func standardError(of subnet: EvaluatedSubnet) -> Double? { subnet.tasks[task.name]?.accuracyError }
}

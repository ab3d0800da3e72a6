public enum PipelineError: Error, Equatable, CustomStringConvertible {
  /// - Parameter option: names another place for what is to be made.
  case settingsDiffer(study: String, difference: String, option: String = "--study")
  case invalidOption(String)
  case impossibleTarget(target: String, smallest: String, largest: String)
  case impossibleTime(share: String, smallest: String)
  case noStudy(path: String)
  case damaged(path: String, problem: String)
  case noPoint(wanted: String, available: String)

  /// - Throws: `invalidOption` if a condition does not hold.
  static func require(_ condition: Bool, _ problem: String) throws {
    if !condition { throw invalidOption(problem) }
  }

  public var description: String {
    switch self {
    case .settingsDiffer(let study, let difference, let option):
      "\(study) was made with other settings: \(difference); choose another \(option)"
    case .invalidOption(let problem): problem
    case .impossibleTarget(let target, let smallest, let largest):
      "no subnet of this space meets \(target): its block parameters run from \(smallest) to \(largest)"
    case .impossibleTime(let share, let smallest):
      "no subnet of this space meets --latency \(share): the fastest takes a share of \(smallest) of the dense model's time"
    case .noStudy(let path): "\(path): no study here (no study.db)"
    case .damaged(let path, let problem): "\(path): \(problem)"
    case .noPoint(let wanted, let available): "no point \(wanted) on the front (\(available))"
    }
  }
}

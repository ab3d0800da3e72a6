public enum LinearAlgebraError: Error, Equatable, CustomStringConvertible {
  case notPositiveDefinite(order: Int, size: Int)

  public var description: String {
    switch self {
    case .notPositiveDefinite(let order, let size):
      "matrix of order \(size) is not positive definite (leading minor \(order))"
    }
  }
}

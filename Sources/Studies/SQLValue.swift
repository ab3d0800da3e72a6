/// A value that goes into a statement or comes out of a row, the same for every database.
package enum SQLValue: Hashable, Sendable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
}

/// A type of argument for a `?` of a statement.
package protocol SQLArgument: Sendable {
  var sqlValue: SQLValue { get }
}

extension Int: SQLArgument {
  package var sqlValue: SQLValue { .integer(Int64(self)) }
}

extension Int64: SQLArgument {
  package var sqlValue: SQLValue { .integer(self) }
}

extension Double: SQLArgument {
  package var sqlValue: SQLValue { .real(self) }
}

extension String: SQLArgument {
  package var sqlValue: SQLValue { .text(self) }
}

extension Optional: SQLArgument where Wrapped: SQLArgument {
  package var sqlValue: SQLValue { self?.sqlValue ?? .null }
}

/// A row of a result. A column that is missing, NULL or of another type reads as `nil`.
package struct SQLRow: Sendable {
  /// The place of each column, shared by all rows of a result.
  let columns: [String: Int]
  let values: [SQLValue]

  /// The places of columns by name; the first of two with one name.
  static func places(_ names: [String]) -> [String: Int] {
    Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
  }

  subscript(_ column: String) -> SQLValue {
    columns[column].map { values[$0] } ?? .null
  }

  package func integer(_ column: String) -> Int64? {
    if case .integer(let value) = self[column] { value } else { nil }
  }

  /// A whole number also reads as a real number.
  func real(_ column: String) -> Double? {
    switch self[column] {
    case .real(let value): value
    case .integer(let value): Double(exactly: value)
    default: nil
    }
  }

  package func text(_ column: String) -> String? {
    if case .text(let value) = self[column] { value } else { nil }
  }
}

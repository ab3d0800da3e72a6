import LinearAlgebra

/// Encodes genomes as numbers that a kernel compares.
///
/// An integer variable becomes one number, its value scaled to −½…½ by the variable's range. A categorical variable
/// becomes one number for each choice: 1 for the chosen one and 0 for the others. Variables with a single value are
/// left out.
struct PointEncoding: Sendable {
  /// The integer variables, in the order of the space.
  let integers: [Int]
  /// The categorical variables, in the order of the space.
  let choices: [Int]
  /// The range of numbers of each categorical variable.
  let choiceColumns: [Range<Int>]

  private let centres: [Double]
  private let scales: [Double]

  init(_ space: DesignSpace) {
    let variables = space.variables
    integers = variables.indices.filter { !variables[$0].isCategorical && variables[$0].levels > 1 }
    choices = variables.indices.filter { variables[$0].isCategorical && variables[$0].levels > 1 }
    centres = integers.map { (Double(variables[$0].lowest) + Double(variables[$0].highest)) / 2 }
    scales = integers.map { 1 / (Double(variables[$0].highest) - Double(variables[$0].lowest)) }
    var columns: [Range<Int>] = []
    for choice in choices {
      let start = columns.last?.upperBound ?? 0
      columns.append(start..<start + variables[choice].levels)
    }
    choiceColumns = columns
  }

  /// Number of length scales of a kernel over these points: one for each variable.
  var dimensions: Int { integers.count + choices.count }

  func encode(_ genomes: [Genome]) -> EncodedPoints {
    let numbers = Matrix<Double>(uninitialized: genomes.count, columns: integers.count)
    let indicators = Matrix<Double>(rows: genomes.count, columns: choiceColumns.last?.upperBound ?? 0)
    for (row, genome) in genomes.enumerated() {
      let target = numbers.row(row)
      for (column, variable) in integers.enumerated() {
        target[column] = (Double(genome[variable]) - centres[column]) * scales[column]
      }
      for (choice, columns) in zip(choices, choiceColumns) { indicators[row, columns.lowerBound + genome[choice]] = 1 }
    }
    return EncodedPoints(numbers: numbers, indicators: indicators)
  }
}

/// Encoded genomes, one in each row.
struct EncodedPoints: Sendable {
  /// Shape `[points, integer variables]`.
  let numbers: Matrix<Double>
  /// Shape `[points, choices of all categorical variables]`.
  let indicators: Matrix<Double>

  var count: Int { numbers.rows }

  /// These points and then the others.
  func appending(_ others: EncodedPoints) -> EncodedPoints {
    EncodedPoints(
      numbers: Self.stacked(numbers, others.numbers), indicators: Self.stacked(indicators, others.indicators))
  }

  private static func stacked(_ above: Matrix<Double>, _ below: Matrix<Double>) -> Matrix<Double> {
    let result = Matrix<Double>(uninitialized: above.rows + below.rows, columns: above.columns)
    result.rows(0..<above.rows).assign(above)
    result.rows(above.rows..<result.rows).assign(below)
    return result
  }
}

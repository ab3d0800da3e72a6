import LanguageModels
import LinearAlgebra

/// Where the weights of a layer lie in one row of numbers: part after part, each at a multiple of sixteen.
///
/// So an optimiser's step is one call for each part, and a layer in training one matrix that a disk can hold.
struct ParameterLayout: Sendable {
  private enum Kind { case gains, weight, bias }

  private struct Piece {
    let part: LayerPart
    let kind: Kind
    let start: Int
    let rows: Int
    let columns: Int
  }

  private let pieces: [Piece]
  /// The layer that the layout was made of, with empty matrices.
  private let template: LayerWeights
  /// Numbers in the row.
  let count: Int

  init(of weights: LayerWeights) {
    var (pieces, end): ([Piece], Int) = ([], 0)
    func add(_ part: LayerPart, _ kind: Kind, _ rows: Int, _ columns: Int) {
      if rows * columns == 0 { return }
      pieces.append(Piece(part: part, kind: kind, start: end, rows: rows, columns: columns))
      end += (rows * columns + 15) / 16 * 16
    }
    for part in LayerPart.norms { add(part, .gains, 1, weights[gain: part].count) }
    for part in LayerPart.projections {
      let linear = weights[part]
      add(part, .weight, linear.outputs, linear.inputs)
      add(part, .bias, 1, linear.bias?.count ?? 0)
    }
    (self.pieces, count, template) = (pieces, end, weights.withoutMatrices)
  }

  /// Copies a layer's weights into a row.
  func write(_ weights: LayerWeights, to row: Matrix<Float>) {
    for piece in pieces {
      let target = view(piece, of: row)
      switch piece.kind {
      case .weight: target.assign(weights[piece.part].weight)
      case .gains: target.assign(Matrix(weights[gain: piece.part], rows: 1, columns: piece.columns))
      case .bias: target.assign(Matrix(weights[piece.part].bias ?? [], rows: 1, columns: piece.columns))
      }
    }
  }

  /// The weights in a row, as views of it; gains and biases are copies.
  func weights(in row: Matrix<Float>) -> LayerWeights {
    var result = template
    for piece in pieces {
      let source = view(piece, of: row)
      switch piece.kind {
      case .weight: result[piece.part].weight = source
      case .gains: result[gain: piece.part] = source.elements
      case .bias: result[piece.part].bias = source.elements
      }
    }
    return result
  }

  /// Calls `body` with the place in the row of every part and its gradient.
  func forEach(_ gradients: LayerGradients, _ body: (_ start: Int, _ gradient: Matrix<Float>) -> Void) {
    for piece in pieces {
      let gradient =
        switch piece.kind {
        case .gains: gradients[gain: piece.part]
        case .weight: gradients[piece.part].weight
        case .bias: gradients[piece.part].bias
        }
      if let gradient { body(piece.start, gradient) }
    }
  }

  private func view(_ piece: Piece, of row: Matrix<Float>) -> Matrix<Float> {
    row.columns(piece.start..<piece.start + piece.rows * piece.columns).folded(columns: piece.columns)
  }
}

extension LayerWeights {
  /// The layer with empty matrices: gains, biases and the kind of attention.
  fileprivate var withoutMatrices: LayerWeights {
    mapProjections { $1.weight.count == 0 ? $1 : Linear(weight: Matrix(rows: 0, columns: 0), bias: $1.bias) }
  }
}

import LanguageModels
import LinearAlgebra

/// Gradients of one projection weighed by its weights and summed over what is pruned with a unit: over the inputs for
/// each output of Q, K, V, gate and up, over the outputs for each input of O and down.
///
/// With `g = ∂L/∂W` and `F` the mean over windows of the squared gradients of each window's own loss (the diagonal of the
/// empirical Fisher matrix), these are the sums that LLM-Pruner (arXiv 2305.11627, eq. 3 to 6) needs. All are empty where
/// gradients of weights were not gathered.
public struct Saliencies: Sendable, Equatable {
  /// `Σ W·g`, with its sign.
  public var vector: [Float]
  /// `Σ |W·g|`.
  public var first: [Float]
  /// `Σ W²·F`; empty where squares were not gathered.
  public var second: [Float]
  /// `Σ |W·g − ½·W²·F|`; empty where squares were not gathered.
  public var mixed: [Float]

  public init(vector: [Float] = [], first: [Float] = [], second: [Float] = [], mixed: [Float] = []) {
    self.vector = vector
    self.first = first
    self.second = second
    self.mixed = mixed
  }
}

/// What gradients say of one decoder layer.
public struct LayerSaliencies: Sendable {
  public var query: Saliencies
  public var key: Saliencies
  public var value: Saliencies
  public var output: Saliencies
  public var gate: Saliencies
  public var up: Saliencies
  public var down: Saliencies
  /// `S = E[g gᵀ]` at the outputs of attention and MLP, shape `[hidden, hidden]`; see `BackwardPass.OutputMoments`.
  public var outputMoments: BackwardPass.OutputMoments?

  public init(
    query: Saliencies, key: Saliencies, value: Saliencies, output: Saliencies, gate: Saliencies, up: Saliencies,
    down: Saliencies, outputMoments: BackwardPass.OutputMoments? = nil
  ) {
    self.query = query
    self.key = key
    self.value = value
    self.output = output
    self.gate = gate
    self.up = up
    self.down = down
    self.outputMoments = outputMoments
  }

  init(_ layer: BackwardPass.Layer) {
    let (weights, gradients, squares) = (layer.weights, layer.gradients, layer.squares)
    func saliencies(
      _ weights: Linear, _ projection: KeyPath<LayerGradients, LayerGradients.Projection>, byOutput: Bool
    ) -> Saliencies {
      guard let gradients else { return Saliencies() }
      return Saliencies(weights, gradients[keyPath: projection], squares?[keyPath: projection], byOutput: byOutput)
    }
    query = saliencies(weights.query, \.query, byOutput: true)
    key = saliencies(weights.key, \.key, byOutput: true)
    value = saliencies(weights.value, \.value, byOutput: true)
    output = saliencies(weights.output, \.output, byOutput: false)
    gate = saliencies(weights.gate, \.gate, byOutput: true)
    up = saliencies(weights.up, \.up, byOutput: true)
    down = saliencies(weights.down, \.down, byOutput: false)
    outputMoments = layer.outputMoments
  }
}

extension Saliencies {
  init(
    _ linear: Linear, _ gradient: LayerGradients.Projection, _ squares: LayerGradients.Projection?, byOutput: Bool
  ) {
    let (rows, columns) = (linear.outputs, linear.inputs)
    let count = byOutput ? rows : columns
    let sums = Matrix<Float>(rows: squares == nil ? 2 : 4, columns: count)
    // One row of products at a time: summed whole where the row is the unit, element by element where the column is.
    let products = Matrix<Float>(rows: 1, columns: columns)
    for i in 0..<rows {
      let (weight, slope) = (linear.weight.row(i), gradient.weight.row(i))
      let square = squares?.weight.row(i)
      for kind in 0..<sums.rows {
        let product = products.pointer
        switch kind {
        case 0: for j in 0..<columns { product[j] = weight[j] * slope[j] }
        case 1: for j in 0..<columns { product[j] = abs(weight[j] * slope[j]) }
        case 2:
          guard let square else { continue }
          for j in 0..<columns { product[j] = weight[j] * weight[j] * square[j] }
        default:
          guard let square else { continue }
          for j in 0..<columns { product[j] = abs(weight[j] * slope[j] - 0.5 * weight[j] * weight[j] * square[j]) }
        }
        if byOutput {
          sums[kind, i] = products.sum
        } else {
          Kernels.add(product, to: sums.row(kind), count: columns)
        }
      }
    }
    func values(_ kind: Int) -> [Float] {
      kind < sums.rows ? Array(UnsafeBufferPointer(start: sums.row(kind), count: count)) : []
    }
    self.init(vector: values(0), first: values(1), second: values(2), mixed: values(3))
  }
}

extension Matrix where Scalar == Float {
  /// Sum of the first row, in double precision.
  fileprivate var sum: Float {
    let row = UnsafeBufferPointer(start: pointer, count: columns)
    return Float(row.reduce(0.0) { $0 + Double($1) })
  }
}

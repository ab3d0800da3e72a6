import LanguageModels
import LinearAlgebra

/// Gradients of one projection, multiplied by its weights and summed over each row or column that is pruned with a
/// unit: over the inputs for each output of Q, K, V, gate and up, over the outputs for each input of O and down.
///
/// With `g = ∂L/∂W` and `F` the mean over windows of the squared gradients of each window's own loss (the diagonal of
/// the empirical Fisher matrix), these are the sums that LLM-Pruner (arXiv 2305.11627, eq. 3 to 6) needs. All are empty
/// if gradients of weights were not gathered.
public struct Saliencies: Sendable, Equatable {
  /// `Σ W·g`, with its sign.
  public var vector: [Float] = []
  /// `Σ |W·g|`.
  public var first: [Float] = []
  /// `Σ W²·F`; empty if squares were not gathered.
  public var second: [Float] = []
  /// `Σ |W·g − ½·W²·F|`; empty if squares were not gathered.
  public var mixed: [Float] = []
}

/// The gradients of one decoder layer, reduced to sums for each projection.
public struct LayerSaliencies: Sendable, ProjectionTable {
  private var projections: LayerTable<Saliencies>
  /// `S = E[g gᵀ]` at the outputs of attention and MLP, shape `[hidden, hidden]`; see `BackwardPass.OutputMoments`.
  public var outputMoments: BackwardPass.OutputMoments?

  public init(
    outputMoments: BackwardPass.OutputMoments? = nil, _ saliencies: (_ projection: LayerPart) throws -> Saliencies
  ) rethrows {
    projections = try LayerTable { $0.isLinear ? try saliencies($0) : Saliencies() }
    self.outputMoments = outputMoments
  }

  public subscript(part: LayerPart) -> Saliencies {
    get { projections[part] }
    set { projections[part] = newValue }
  }

  init(_ layer: BackwardPass.Layer) {
    self.init(outputMoments: layer.outputMoments) { part in
      guard let gradients = layer.gradients else { return Saliencies() }
      return Saliencies(
        layer.weights[part], gradients[part], layer.squares?[part], byOutput: !part.writesToStream)
    }
  }
}

extension Saliencies {
  init(
    _ linear: Linear, _ gradient: LayerGradients.Projection, _ squares: LayerGradients.Projection?, byOutput: Bool
  ) {
    let (rows, columns) = (linear.outputs, linear.inputs)
    let count = byOutput ? rows : columns
    let sums = Matrix<Float>(rows: squares == nil ? 2 : 4, columns: count)
    // One row of products at a time: summed whole if the row belongs to a unit, element by element if the column does.
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
          sums[kind, i] = Float((0..<columns).reduce(0.0) { $0 + Double(product[$1]) })
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

import Calibration
import LanguageModels

extension ModelConfiguration {
  /// Largest memory for ranking, factorising or repairing one layer, in bytes: its weights twice, its statistics, and
  /// in double precision the larger factor with one more matrix of its order and two of the projection's size. A
  /// forward pass, which holds a layer's weights once more in packed form, takes less.
  public var bytesPerLayerTask: Int {
    layers.map { shape in
      let (context, hidden) = (shape.queryHeads * headDimension, activations(of: shape))
      let order = max(context, block.experts?.channels ?? hidden)
      let weights =
        2 * (2 * hiddenSize * context + 2 * hiddenSize * shape.kvHeads * headDimension + 3 * hiddenSize * hidden)
      let statistics = LayerStatistics.gramElements(of: shape, in: self)
      return 4 * (weights + statistics) + 8 * (2 * order * order + 2 * order * hiddenSize)
    }.max() ?? 0
  }

  /// Memory that a ranked layer with its factors keeps, in bytes.
  public var bytesPerRankedLayer: Int {
    layers.map { shape in
      let (context, hidden) = (shape.queryHeads * headDimension, block.experts == nil ? shape.mlpChannels : 0)
      return 4 * parameters(of: shape) + 8 * (context * (context + hiddenSize) + hidden * (hidden + hiddenSize))
    }.max() ?? 0
  }
}

import LanguageModels
import LinearAlgebra

/// Optimal brain surgery, unit after unit, in the metric of the loss (our own).
///
/// Let `S = E[g gᵀ]` be the second moment, on sampled tokens, of the loss's gradient at the output of `o_proj` or
/// `down_proj`, and `H = E[x xᵀ] + λI` that of its inputs. If unit `b` is removed and all other inputs are adjusted by
/// least squares, the loss grows to second order by
///
///     ½·tr( W_bᵀ S W_b · ([H⁻¹]_bb)⁻¹ )
///
/// The units with the smallest sums are removed a few at a time, and the weights and `H⁻¹` of the others are adjusted
/// after each time:
///
///     W ← W − W_R ([H⁻¹]_RR)⁻¹ [H⁻¹]_R·          H⁻¹ ← H⁻¹ − [H⁻¹]_·R ([H⁻¹]_RR)⁻¹ [H⁻¹]_R·
///
/// This is the elimination of optimal brain compression (Frantar and Alistarh, arXiv 2208.11580, equations 3 and 4; by
/// structures Kurtic et al., ZipLM, arXiv 2302.04089), whose metric is the output error, `S = I`. The scores are ranks
/// as shares of 1; the unit that is removed last has the highest. Experts are scored by what each adds to the loss
/// (`ScoredLayer.expertErrors`): their tokens get other experts in their place, which no adjustment foresees.
///
/// On the prefix of a pruned network the elimination begins with the weights that make up for what the outputs lack.
public struct LossOBS: Importance {
  /// Number of rounds in which the channels of an MLP are removed.
  private let rounds = 64

  public let name = "obs-loss"
  public let summary = "units in the order in which removing each adds least to the loss, all others adjusted"
  public let source = "nas-search; optimal brain compression, arXiv 2208.11580, in the metric of the loss"
  public let gradients: BackwardPass.Scalar? = .sampledLoss

  public func scores(of layer: ScoredLayer) throws -> UnitScores {
    guard let moments = layer.saliencies?.outputMoments else { throw ImportanceError.noGradients(score: name) }
    let statistics = layer.statistics
    func start(_ part: LayerPart, _ gram: Matrix<Float>, _ lacking: Matrix<Float>?) throws -> Matrix<Float> {
      try Elimination.start(layer.weights[part].weight, gram: gram, lacking: lacking, score: name, layer: layer.index)
    }
    let width = layer.shape.queriesPerGroup * layer.headDimension
    let groups = try Elimination.removals(
      weight: start(.output, statistics.contextGram, statistics.contextLacking), gram: statistics.contextGram,
      moments: moments.attention,
      width: width, atOnce: 1, score: name, layer: layer.index)
    if layer.weights.hasExperts {
      return UnitScores(
        groups: UnitScores(keepingGroups: groups.reversed(), channels: []).groups,
        channels: layer.expertErrors(moments.mlp).map { Float($0) })
    }
    let channels = try Elimination.removals(
      weight: start(.down, statistics.hiddenGram, statistics.hiddenLacking), gram: statistics.hiddenGram,
      moments: moments.mlp, width: 1,
      atOnce: max(1, layer.weights.down.inputs / rounds), score: name, layer: layer.index)
    return UnitScores(keepingGroups: groups.reversed(), channels: channels.reversed())
  }
}

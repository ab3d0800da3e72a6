import Checkpoints
import LanguageModels
import Runtime

/// Whether a subnet is one that repair is for: a part of the dense model that misses heads or channels, and whose weights
/// hold no zeros that a fit would fill.
struct SubnetCheck {
  let dense: LanguageModel
  let subnet: LanguageModel

  /// - Parameter monitor: hears of layers that were looked at.
  /// - Throws: `PipelineError.invalidOption` with the first thing that does not fit.
  func run(_ monitor: Monitor) throws {
    if try dense.fingerprint() == subnet.fingerprint() {
      throw refused("it is the dense model itself, there is nothing to repair")
    }
    try checkSettings()
    try checkTokenizers()
    for index in subnet.configuration.layers.indices {
      try monitor.advance(.init(.zeros), index, of: subnet.configuration.layerCount)
      try checkZeros(index)
    }
    if dense.configuration.layers == subnet.configuration.layers {
      throw refused("it has every head and channel of \(name(dense)), there is nothing to repair")
    }
  }

  private func checkSettings() throws {
    let (a, b) = (dense.configuration, subnet.configuration)
    func same<Value: Equatable>(_ property: String, _ value: (ModelConfiguration) -> Value) throws {
      if value(a) != value(b) { throw notASubnet("its \(property) is \(value(b)), not \(value(a))") }
    }
    try same("hidden size") { $0.hiddenSize }
    try same("vocabulary") { $0.vocabularySize }
    try same("number of layers") { $0.layerCount }
    try same("head dimension") { $0.headDimension }
    try same("channels of an expert") { $0.channelsPerUnit }
    try same("choice of experts") {
      $0.block.experts.map { $0.renormalises ? "weights that sum to one" : "shares of all" } ?? "none"
    }
    for index in a.layers.indices {
      let (whole, part) = (a.layers[index], b.layers[index])
      for (unit, of, found) in [
        ("KV heads", whole.kvHeads, part.kvHeads), ("query heads", whole.queryHeads, part.queryHeads),
        (a.mlpUnits, whole.mlpChannels, part.mlpChannels),
      ] where found > of { throw notASubnet("layer \(index) is wider: \(found) \(unit), not \(of)") }
    }
    // Formats write these in more or fewer digits.
    if abs(a.normEpsilon - b.normEpsilon) > 1e-3 * abs(a.normEpsilon) {
      throw notASubnet("its norm epsilon is \(b.normEpsilon), not \(a.normEpsilon)")
    }
    let pairs = zip(
      a.rotary.frequencies(headDimension: a.headDimension), b.rotary.frequencies(headDimension: b.headDimension))
    for (pair, (whole, part)) in pairs.enumerated() where abs(whole - part) > max(1e-3 * abs(whole), 1e-12) {
      throw notASubnet(
        "its rotary embedding is another (theta \(b.rotary.theta), not \(a.rotary.theta); frequency \(pair) is "
          + "\(part), not \(whole))")
    }
  }

  /// Words that every tokenizer of one vocabulary splits alike, whatever file it was read from.
  private static let words = "The keeper of the lighthouse wrote a long letter about the sea and the winter storms"

  /// The calibration text is tokenised once for both. A subnet without a tokenizer takes the dense model's.
  private func checkTokenizers() throws {
    guard let theirs = try? subnet.tokenizer() else { return }
    let ours = try dense.tokenizer()
    let (a, b) = (
      ours.encode(Self.words, addSpecialTokens: false), theirs.encode(Self.words, addSpecialTokens: false)
    )
    guard a != b else { return }
    let place = zip(a, b).enumerated().first { $1.0 != $1.1 }?.offset ?? min(a.count, b.count)
    func shown(_ ids: [Int32]) -> String { ids.indices.contains(place) ? "\(ids[place])" : "nothing" }
    throw notASubnet(
      "its tokenizer is another: token \(place) of '\(Self.words.prefix(20))…' is \(shown(b)), not \(shown(a))")
  }

  // MARK: - Zeros

  private func checkZeros(_ index: Int) throws {
    let layer = try subnet.layer(index)
    var whole: LayerWeights?
    for part in LayerPart.projections where layer[part].weight.count > 0 {
      let weight = layer[part].weight
      let name = subnet.tensorNames.weights(part, layer: index, of: subnet.configuration.layers[index])[0]
      let limit = Self.limit(of: (try? subnet.checkpoint.tensor(name))?.type)
      let zeros = weight.zeroCount
      guard Double(zeros) > limit * Double(weight.count) else { continue }
      // Units that the dense model pads with are no sparsity: a fit leaves them at zero.
      whole = try whole ?? dense.layer(index)
      let padded = whole?[part].weight.countInZeroLines ?? 0
      // Nor are those that rounding to a few bits has made in the dense model.
      let before = (whole?[part].weight).map { Double($0.zeroCount) / Double(max(1, $0.count)) } ?? 0
      guard Double(zeros - padded) > (limit + before) * Double(weight.count) else { continue }
      let percent = (1000 * Double(zeros) / Double(weight.count)).rounded() / 10
      throw refused(
        "'\(name)' is \(percent) % zeros (\(zeros) of \(weight.count)), which the least squares would fill; repair is for "
          + "subnets that miss heads or channels, not for sparse weights")
    }
  }

  /// The share of zeros that no pruning is needed for. Weights that were rounded to a few bits have many.
  private static func limit(of type: ElementType?) -> Double {
    guard let type, ![.f32, .f16, .bf16].contains(type) else { return 0.01 }
    return 0.4
  }

  // MARK: - Words

  private func name(_ model: LanguageModel) -> String { model.location.relativePath }

  private func refused(_ problem: String) -> PipelineError { .invalidOption("\(name(subnet)): \(problem)") }

  private func notASubnet(_ problem: String) -> PipelineError {
    .invalidOption("\(name(subnet)) is no subnet of \(name(dense)): \(problem)")
  }
}

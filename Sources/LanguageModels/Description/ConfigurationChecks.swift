extension ModelConfiguration {
  /// Checks what the rest of the package relies on, whatever the file's format.
  func validate(file: String) throws {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws {
      if !condition { throw ModelError.invalidConfiguration(file: file, problem: problem()) }
    }
    let limit = 1 << 24
    if let experts = block.experts {
      try require(
        experts.channels > 0 && experts.channels < limit && experts.perToken > 0,
        "experts of \(experts.channels) channels, \(experts.perToken) for each token: both must be positive")
      let most = layers.map(\.mlpChannels).max() ?? 0
      try require(
        most >= experts.perToken && most <= 1 << 14, "layers have \(most) experts, and a token uses \(experts.perToken)"
      )
      try require(
        block.biases.allSatisfy { $0.module == .attention }, "experts with biases are not known here")
    }
    try require(
      hiddenSize > 0 && hiddenSize < limit && vocabularySize > 0 && vocabularySize < limit,
      "hidden size \(hiddenSize) and vocabulary \(vocabularySize) must be positive and below \(limit)")
    try require(
      headDimension > 0 && headDimension % 2 == 0 && headDimension <= RotaryConfiguration.largestHead,
      "head dimension \(headDimension) must be a positive even number of at most \(RotaryConfiguration.largestHead)")
    for (index, layer) in layers.enumerated() {
      try require(
        layer.kvHeads >= 0 && layer.queryHeads >= 0 && layer.mlpChannels >= 0 && layer.queryHeads < limit
          && max(layer.queryHeads * headDimension, layer.mlpChannels) < limit
          && layer.mlpChannels < limit / channelsPerUnit,
        "layer \(index) has impossible widths \(layer.queryHeads), \(layer.kvHeads), \(layer.mlpChannels)")
      try require(
        layer.kvHeads == 0 ? layer.queryHeads == 0 : layer.queryHeads % layer.kvHeads == 0 && layer.queryHeads > 0,
        "layer \(index) has \(layer.queryHeads) query heads for \(layer.kvHeads) KV heads")
    }
    for kind in block.attention {
      let rotary = kind.rotary
      let turned = rotary.turnedDimensions ?? headDimension
      try require(
        turned > 0 && turned % 2 == 0 && turned <= headDimension,
        "\(turned) turned dimensions of \(headDimension) must be a positive even number")
      for divisors in rotary.scaling.divisors {
        try require(
          divisors.count == turned / 2, "\(divisors.count) rope factors for a head dimension of \(turned)")
      }
      if case .dynamic = rotary.scaling {
        try require(turned > 2, "dynamic rope scaling needs heads of more than 2 dimensions")
      }
      try require(rotary.theta > 0 && rotary.theta.isFinite, "rope theta \(rotary.theta) must be positive")
      try require(
        rotary.scaling.numbers.allSatisfy { $0 > 0 && $0.isFinite },
        "the numbers of the rope scaling must be positive: \(rotary.scaling)")
      try require(
        rotary.frequencies(headDimension: headDimension).allSatisfy(\.isFinite),
        "the rope scaling \(rotary.scaling) with theta \(rotary.theta) gives frequencies that are not finite")
      if let window = kind.window { try require(window > 0, "a sliding window \(window) sees nothing") }
    }
    let numbers = [block.scoreScale, block.scoreCap, logitCap, embeddingScale].compactMap(\.self)
    try require(
      numbers.allSatisfy { $0 > 0 && $0.isFinite }, "scales and caps of scores, logits and embeddings must be positive")
    try require(normEpsilon >= 0 && normEpsilon.isFinite, "the norm epsilon \(normEpsilon) must not be negative")
  }
}

extension RotaryConfiguration.Scaling {
  /// What frequencies are divided by or compared with: all must be positive.
  fileprivate var numbers: [Double] {
    switch self {
    case .none: []
    case .linear(let factor): [factor]
    case .llama3(let factor, let lowFrequency, let highFrequency, let originalContext):
      [factor, lowFrequency, highFrequency, originalContext]
    case .factors(let factors): factors.map(Double.init)
    case .divided(let factors, let attention): factors.map(Double.init) + [attention]
    case .dynamic(let factor, let context): [factor, context]
    case .yarn(let yarn):
      [yarn.factor, yarn.originalContext, yarn.betaFast, yarn.betaSlow, yarn.attentionFactor]
    case .longrope(let longrope):
      [longrope.originalContext, longrope.attentionFactor] + (longrope.short + longrope.long).map(Double.init)
    }
  }

  /// Lists of which each must have one number a pair.
  fileprivate var divisors: [[Float]] {
    switch self {
    case .none, .linear, .llama3, .dynamic, .yarn: []
    case .factors(let factors), .divided(let factors, _): [factors]
    case .longrope(let longrope): [longrope.short, longrope.long]
    }
  }
}

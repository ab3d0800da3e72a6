extension ModelConfiguration {
  /// Checks what the rest of the package relies on, whatever the file's format.
  func validate(file: String, _ keys: ConfigurationKeys) throws {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws {
      if !condition { throw ModelError.invalidConfiguration(file: file, problem: problem()) }
    }
    let limit = 1 << 24
    try validateExperts(require)
    for (name, value, key) in [
      ("hidden size", hiddenSize, keys.hidden), ("vocabulary", vocabularySize, keys.vocabulary),
    ] {
      try require(value > 0 && value < limit, "\(name) \(value) (\(key)) must be positive and below \(limit)")
    }
    try require(
      headDimension > 0 && headDimension % 2 == 0 && headDimension <= RotaryConfiguration.largestHead,
      "head dimension \(headDimension) (\(keys.headDimension)) must be a positive even number of at most "
        + "\(RotaryConfiguration.largestHead)")
    try require(contextLength > 0, "a context of \(contextLength) tokens (\(keys.context)) has room for none")
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
      try kind.rotary.validate(headDimension, keys, require)
      if let window = kind.window {
        try require(window > 0, "a sliding window \(window) (\(keys.window)) sees nothing")
      }
    }
    for (value, key) in [
      (block.scoreScale, keys.scoreScale), (block.scoreCap, keys.scoreCap), (logitCap, keys.logitCap),
    ] {
      guard let value else { continue }
      let meaning = key == keys.scoreScale ? "makes the scale of scores" : "is"
      try require(value > 0 && value.isFinite, "\(key) \(meaning) \(value); that must be a positive number")
    }
    if case .clamped(let limit, let alpha) = block.activation {
      try require(
        limit > 0 && limit.isFinite && alpha > 0 && alpha.isFinite,
        "an activation cut off at \(limit), with a factor of \(alpha): both must be positive numbers")
    }
    try require(
      normEpsilon >= 0 && normEpsilon.isFinite,
      "the norm epsilon \(normEpsilon) (\(keys.epsilon)) must not be negative")
  }

  private func validateExperts(_ require: (Bool, @autoclosure () -> String) throws -> Void) throws {
    guard let experts = block.experts else { return }
    let (most, limit) = (layers.map(\.mlpChannels).max() ?? 0, 1 << 14)
    try require(
      experts.channels > 0 && experts.channels < 1 << 24 && experts.perToken > 0,
      "experts of \(experts.channels) channels, \(experts.perToken) for each token: both must be positive")
    try require(
      most >= experts.perToken && most <= limit,
      "layers have \(most) experts, and a token uses \(experts.perToken): at least as many have to be there, and at most \(limit)"
    )
    try require(!block.biases.contains(.down), "the experts of a layer have no bias of their down projections together")
  }
}

extension RotaryConfiguration {
  fileprivate func validate(
    _ headDimension: Int, _ keys: ConfigurationKeys, _ require: (Bool, @autoclosure () -> String) throws -> Void
  ) throws {
    let turned = turnedDimensions ?? headDimension
    try require(
      turned > 0 && turned % 2 == 0 && turned <= headDimension,
      "\(turned) turned dimensions of \(headDimension) (\(keys.turned)) must be a positive even number")
    for (name, values) in scaling.divisors {
      try require(
        values.count == turned / 2,
        "\(keys.scaling(name)) has \(values.count) rope factors for a head dimension of \(turned), which has "
          + "\(turned / 2) pairs")
    }
    if case .dynamic = scaling {
      try require(
        turned > 2, "dynamic rope scaling (\(keys.scaling)) needs heads of more than 2 dimensions")
    }
    try require(theta > 0 && theta.isFinite, "rope theta \(theta) (\(keys.theta)) must be positive")
    for (name, value) in scaling.numbers {
      try require(
        value > 0 && value.isFinite, "\(keys.scaling(name)) is \(value); numbers of a rope scaling must be positive")
    }
    try require(
      frequencies(headDimension: headDimension).allSatisfy(\.isFinite),
      "the rope scaling (\(keys.scaling)) with theta \(theta) (\(keys.theta)) gives frequencies that are not finite")
  }
}

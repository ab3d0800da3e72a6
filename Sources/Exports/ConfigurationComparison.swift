import LanguageModels

/// Compares what the forward pass depends on; a rope scaling may be spelled differently but must turn the same angles.
struct ConfigurationComparison {
  let path: String
  let found: ModelConfiguration
  let expected: ModelConfiguration

  func check() throws {
    try same("number of layers") { $0.layerCount }
    for index in expected.layers.indices {
      try same("widths of layer \(index)") {
        [$0.layers[index].queryHeads, $0.layers[index].kvHeads, $0.layers[index].mlpChannels]
      }
    }
    try same("hidden size") { $0.hiddenSize }
    try same("vocabulary") { $0.vocabularySize }
    try same("head dimension") { $0.headDimension }
    try same("norm epsilon") { $0.normEpsilon }
    try same("tied embeddings") { $0.tiedEmbeddings }
    try same("scales and caps") { [$0.scoreScale, $0.block.scoreCap, $0.logitCap, $0.embeddingScale] }
    try same("experts") { $0.storedExperts }
    try same("activation") { $0.block.activation }
    for index in expected.layers.indices {
      // One that is as long as the context hides nothing.
      try same("sliding window of layer \(index)") {
        $0.attention(of: index).window.flatMap { $0 < expected.contextLength ? $0 : nil }
      }
      try same("turning of layer \(index)") { $0.attention(of: index).isTurned }
    }
    try same("biases") { $0.block.biases.map { "\($0)" }.sorted() }
    try same("parts of a layer") { $0.block.parts.map { "\($0)" }.sorted() }
    for index in 0..<expected.block.attention.count {
      guard let layer = expected.layers.indices.first(where: { expected.attentionKind(of: $0) == index }) else {
        continue
      }
      let kinds = (found: found.attention(of: layer), expected: expected.attention(of: layer))
      if kinds.expected.isTurned { try same(kinds.found.rotary, kinds.expected.rotary) }
    }
  }

  private func same(_ found: RotaryConfiguration, _ expected: RotaryConfiguration) throws {
    try sameFrequencies(found, expected, length: 1)
    try sameFrequencies(found, expected, length: self.expected.contextLength)
    let factors = (found.attentionFactor, expected.attentionFactor)
    guard abs(factors.0 - factors.1) <= 1e-5 * factors.1 else {
      throw ExportError.differentConfiguration(
        path: path, property: "rotary attention factor", found: "\(factors.0)", expected: "\(factors.1)")
    }
  }

  /// - Parameter length: length of the sequence, on which the frequencies of some scalings depend.
  private func sameFrequencies(
    _ found: RotaryConfiguration, _ expected: RotaryConfiguration, length: Int
  ) throws {
    let dimension = self.expected.headDimension
    let pairs = zip(
      found.frequencies(headDimension: dimension, length: length),
      expected.frequencies(headDimension: dimension, length: length))
    for (pair, frequencies) in pairs.enumerated() {
      // Files hold theta and divisors in single precision, and llama3 parameters that were recognised are within 1e-4.
      guard abs(frequencies.0 - frequencies.1) <= max(1e-4 * frequencies.1, 1e-12) else {
        throw ExportError.differentConfiguration(
          path: path, property: "rotary frequency \(pair)", found: "\(frequencies.0)", expected: "\(frequencies.1)")
      }
    }
  }

  private func same<Value: Equatable>(_ property: String, _ value: (ModelConfiguration) -> Value) throws {
    let (found, expected) = (value(found), value(expected))
    if found != expected {
      throw ExportError.differentConfiguration(
        path: path, property: property, found: "\(found)", expected: "\(expected)")
    }
  }
}

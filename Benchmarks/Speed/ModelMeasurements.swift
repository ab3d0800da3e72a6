import Calibration
import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Search
import Subnets

/// Floating-point operations of a forward pass.
struct Operations {
  /// Of all layers.
  let layers: Double
  let head: Double
  /// Of the Gram matrices of all modules' inputs, upper triangles only.
  let grams: Double

  init(_ configuration: ModelConfiguration, _ windows: TokenWindows) {
    let (tokens, hidden) = (Double(windows.tokens.count), Double(configuration.hiddenSize))
    let norms = 2 * configuration.hiddenSize
    layers = configuration.layers.reduce(0) { sum, shape in
      let contexts = Double(shape.queryHeads * configuration.headDimension)
      // Scores and values of the tokens that causal attention sees.
      let attention = 2 * contexts * Double(windows.length + 1)
      return sum + tokens * (2 * Double(configuration.parameters(of: shape) - norms) + attention)
    }
    head = 2 * tokens * hidden * Double(configuration.vocabularySize)
    grams = configuration.layers.reduce(0) { sum, shape in
      let contexts = Double(shape.queryHeads * configuration.headDimension)
      let channels = Double(shape.mlpChannels)
      return sum + tokens * (contexts * contexts + channels * channels + 2 * hidden * hidden)
    }
  }
}

func measureModel(_ report: Report, _ model: LanguageModel) throws {
  // The model keeps the layers that the first run, which does not count, has widened.
  let configuration = model.configuration
  var generator = SeededGenerator(seed: 1)
  let length = min(1024, configuration.contextLength)
  let tokens = (0..<2 * length).map { _ in Int32(generator.integer(below: configuration.vocabularySize)) }
  let windows = TokenWindows(length: length, tokens: tokens)
  let work = Operations(configuration, windows)
  let pass = ForwardPass(windows)
  let forward = try report.products("forward, windows of \(length)", operations: work.layers, tokens: tokens.count) {
    _ = try pass.hiddenStates(of: model)
  }
  try report.products("forward with loss", operations: work.layers + work.head, tokens: tokens.count) {
    _ = try Perplexity(model, windows: windows)
  }
  if Precision.bfloat16.isSupported {
    try report.products(
      "forward, bfloat16", operations: work.layers, of: .bfloat16, tokens: tokens.count
    ) {
      _ = try pass.hiddenStates(of: model, precision: .bfloat16)
    }
    try report.products(
      "forward with loss, bfloat16", operations: work.layers + work.head, of: .bfloat16, tokens: tokens.count
    ) {
      _ = try Perplexity(model, windows: windows, precision: .bfloat16)
    }
  }
  let hidden = try pass.embed(model)
  let first = configuration.layers[0]
  let contexts = Double(first.queryHeads * configuration.headDimension)
  let keys = Double(first.kvHeads * configuration.headDimension)
  let attention =
    Double(tokens.count)
    * (2 * Double(configuration.hiddenSize) * (contexts + 2 * keys) + 2 * contexts * Double(length + 1))
  let runner = pass.runner(for: model)
  try report.products("attention of one layer, but its output projection", operations: attention, tokens: tokens.count)
  {
    _ = try runner.inputs(of: .attention, layer: model.layer(0), hidden)
  }
  let statistics = try report.products("statistics pass", operations: work.layers + work.grams, tokens: tokens.count) {
    try StatisticsPass.run(model, on: windows) { _, _ in }
  }
  if statistics.isFinite, forward.isFinite {
    report.line(
      "  against a forward pass and its Grams at peak",
      String(format: "%.2f ×", statistics / (forward + work.grams / report.singlePeak)), "")
  }
  // Forward, again within each layer, and twice as much for the gradients of inputs and weights; the head in both directions.
  try report.products("backward", operations: 4 * work.layers + 2 * work.head, tokens: tokens.count) {
    try BackwardPass(windows).run(model) { _ in }
  }
  for precision in Precision.allCases where precision.isSupported {
    try measureGeneration(report, model, precision)
  }
  try measureDecoding(report, model)
}

/// Eight candidates that keep five eighths of all channels, in other layers each: nothing but their weights is shared.
private func measureGeneration(_ report: Report, _ model: LanguageModel, _ precision: Precision) throws {
  var generator = SeededGenerator(seed: 2)
  let configuration = model.configuration
  let tokens = (0..<512).map { _ in Int32(generator.integer(below: configuration.vocabularySize)) }
  let windows = TokenWindows(length: 256, tokens: tokens)
  let reference = try DenseReference(model, windows: windows, precision: precision)
  let evaluator = GenerationEvaluator<Int>(reference: reference, parent: model, bytes: 1 << 30) {
    index, isMLP, part in
    let shape = configuration.layers[index]
    let keep = part < 0 ? shape.mlpChannels * 5 / 8 : shape.mlpChannels
    return try model.layer(index).prefix(
      groups: isMLP ? 0 : shape.kvHeads, queriesPerGroup: shape.queriesPerGroup, channels: isMLP ? keep : 0,
      headDimension: configuration.headDimension)
  }
  let candidates = (0..<8).map { candidate in
    // A part of its own for each candidate, negative where it is narrow.
    (0..<2 * configuration.layerCount).map { part in
      part % 2 == 1 && (part / 2 + candidate) % 2 == 0 ? -1 - candidate : candidate
    }
  }
  var operations = 0.0
  for candidate in candidates {
    var narrowed = configuration
    for index in narrowed.layers.indices where candidate[2 * index + 1] < 0 {
      narrowed.layers[index].mlpChannels = narrowed.layers[index].mlpChannels * 5 / 8
    }
    let work = Operations(narrowed, windows)
    operations += work.layers + work.head
  }
  let name = "generation of 8 candidates" + (precision == .single ? "" : ", bfloat16")
  try report.products(
    name, operations: operations, of: precision == .single ? .single : .bfloat16, tokens: 8 * tokens.count
  ) {
    _ = try evaluator.compare(candidates)
  }
}

/// Sequences as many as a calibration text by the model itself takes, drawn on in lockstep; packing the weights counts.
private func measureDecoding(_ report: Report, _ model: LanguageModel) throws {
  let (sequences, length) = (36, min(256, model.configuration.contextLength))
  let prompts = (0..<sequences).map { [Int32($0 % model.configuration.vocabularySize)] }
  for precision in Precision.allCases where precision.isSupported {
    let name = "generating, \(sequences) sequences" + (precision == .single ? "" : ", bfloat16")
    try report.amount(name, Double(sequences * (length - 1)), "tokens/s") {
      _ = try Generator.continuations(
        of: prompts, by: length - 1, model: model, sampling: .greedy, seed: 1, precision: precision)
    }
  }
}

/// Widening of all layers, and the tokenizer.
func measureReading(_ report: Report, _ model: LanguageModel, text: URL?) throws {
  let values = Double(model.configuration.blockParameters)
  try report.amount("reading and widening all layers", values * 4, "B/s") {
    // A model keeps what it has widened.
    let fresh = try LanguageModel(model.location)
    for index in 0..<model.configuration.layerCount { _ = try fresh.layer(index) }
  }
  guard let text else { return }
  let words = try String(contentsOf: text, encoding: .utf8)
  let tokenizer = try model.tokenizer()
  report.amount("tokenizer", Double(words.utf8.count), "B/s") {
    _ = tokenizer.encode(words, addSpecialTokens: false)
  }
}

/// Candidates a second on 60 widths, results told at once.
func measureOptimisers(_ report: Report) throws {
  let space = try DesignSpace(
    (0..<60).map { try Variable(name: "x\($0)", domain: .integer(low: 1, high: 40, step: 1), segment: $0 / 2) })
  let budgeted = try BudgetedSpace(
    space, cost: LinearCost(base: 0, weights: space.variables.map { _ in 1 }),
    budget: Budget(maximum: 1600, useWholeBudget: true))
  func value(_ genome: Genome) -> Double {
    genome.enumerated().reduce(0) { $0 + Double(1 + $1.offset % 7) / Double($1.element) }
  }
  func ask(_ optimizer: some Optimizer, _ count: Int) throws {
    var optimizer = optimizer
    for _ in 0..<count {
      guard let candidate = try optimizer.ask() else { return }
      try optimizer.tell(candidate.ordinal, objectives: [value(candidate.genome)])
    }
  }
  try report.amount("NSGA-II, 1000 candidates of 60 genes", 1000, "candidates/s") {
    try ask(NSGA2(budgeted, objectives: 1, seed: 1), 1000)
  }
  try report.amount("Bayesian search, 64 candidates of 60 genes", 64, "candidates/s") {
    try ask(BayesianSearch(budgeted, objectives: 1, seed: 1), 64)
  }
}

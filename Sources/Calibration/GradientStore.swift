import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime

/// Gradient saliencies on disk, one safetensors file a layer, keyed by model, scalar and windows.
public struct GradientStore: Sendable {
  /// Default number of windows on which gradients are taken. Gradients cost several forward passes and need fewer
  /// tokens than Gram matrices.
  public static let windows = 16

  private let folder: URL

  /// - Parameter folder: folder with one subfolder per (model, scalar, windows); created when needed.
  public init(folder: URL) { self.folder = folder }

  /// The saliencies of a network: read from disk if they are there, else computed by one backward pass and stored.
  ///
  /// For the loss, squares are gathered too; for the sampled loss, output moments only.
  ///
  /// - Parameters:
  ///   - fingerprint: fingerprint of the network.
  ///   - recorded: the network's residual stream on the windows, if it was recorded.
  ///   - subject: name of the windows, for the monitor.
  ///   - monitor: hears of each layer that is done, if the gradients are computed.
  /// - Throws: `CheckpointError.unwritable`, and what the network and the monitor throw. Nothing is left behind then.
  public func saliencies(
    of scalar: BackwardPass.Scalar, network: some Network, fingerprint: String, windows: TokenWindows,
    recorded: BackwardPass.Recorded? = nil, subject: String? = nil, monitor: Monitor = .silent
  ) throws -> StoredSaliencies {
    let parts = Self.parts(of: scalar)
    let cache = try LayerCache(
      of: "saliencies 4 of \(scalar.rawValue)", in: folder, fingerprint: fingerprint, windows: windows
    ) { temporary, disk in
      let (stage, layers) = (Monitor.Stage(.gradients, of: subject), network.configuration.layerCount)
      var done = 0
      try monitor.advance(stage, done, of: layers)
      try BackwardPass(windows, scratch: temporary).run(network, of: scalar, parts: parts, recorded: recorded) {
        layer in
        let (saliencies, index) = (LayerSaliencies(layer), layer.index)
        try disk.write { try saliencies.write(to: LayerCache.file(index, in: temporary)) }
        done += 1
        try monitor.advance(stage, done, of: layers)
      }
    }
    return StoredSaliencies(cache: cache, configuration: network.configuration, parts: parts, cost: cache.cost)
  }

  /// The data that is gathered from a scalar's gradients.
  public static func parts(of scalar: BackwardPass.Scalar) -> BackwardPass.Parts {
    switch scalar {
    case .loss: .squares
    case .sampledLoss: .outputMoments
    case .maximumLogit: .weights
    }
  }
}

/// Saliencies on disk; a layer is read on request.
public struct StoredSaliencies: Sendable {
  fileprivate let cache: LayerCache
  fileprivate let configuration: ModelConfiguration
  fileprivate let parts: BackwardPass.Parts
  /// Time and memory of their computation; `nil` if unknown.
  public let cost: ComputationCost?

  /// - Throws: `CalibrationError.damagedCache`.
  public func layer(_ index: Int) throws -> LayerSaliencies {
    let shape = configuration.layers[index]
    return try cache.layer(index) { tensor in
      func values(_ name: String, _ shape: [Int]) throws -> [Float] { try tensor(name, shape).floats() }
      func saliencies(_ name: String, _ count: Int) throws -> Saliencies {
        guard parts.contains(.weights) else { return Saliencies() }
        let kinds = parts.contains(.squares) ? 4 : 2
        let all = try values(name, [kinds, count])
        func row(_ kind: Int) -> [Float] { kind < kinds ? Array(all[kind * count..<(kind + 1) * count]) : [] }
        return Saliencies(vector: row(0), first: row(1), second: row(2), mixed: row(3))
      }
      func moments() throws -> BackwardPass.OutputMoments? {
        guard parts.contains(.outputMoments) else { return nil }
        let size = configuration.hiddenSize
        return BackwardPass.OutputMoments(
          attention: Matrix(try values("attention.moments", [size, size]), rows: size, columns: size),
          mlp: Matrix(try values("mlp.moments", [size, size]), rows: size, columns: size))
      }
      return try LayerSaliencies(outputMoments: moments()) {
        try saliencies("\($0)", configuration.block.parts.contains($0) ? $0.unit.count(in: configuration, shape) : 0)
      }
    }
  }
}

extension LayerSaliencies {
  fileprivate func write(to url: URL) throws {
    let named = LayerPart.projections.map { ("\($0)", self[$0]) }
    // A projection without units has no saliencies; one of them all has units.
    let hasWeights = named.contains { !$0.1.first.isEmpty }
    let hasSquares = named.contains { !$0.1.second.isEmpty }
    var tensors: [String: [Float]] = [:]
    var plans: [TensorPlan] = []
    for (name, part) in named where hasWeights {
      let kinds = [part.vector, part.first] + (hasSquares ? [part.second, part.mixed] : [])
      tensors[name] = kinds.flatMap { $0 }
      plans.append(TensorPlan(name: name, type: .f32, shape: [kinds.count, part.vector.count]))
    }
    if let outputMoments {
      for (name, moments) in [("attention.moments", outputMoments.attention), ("mlp.moments", outputMoments.mlp)] {
        tensors[name] = moments.elements
        plans.append(TensorPlan(name: name, type: .f32, shape: [moments.rows, moments.columns]))
      }
    }
    try SafetensorsWriter.write(plans, to: url) { plan, write in
      try (tensors[plan.name] ?? []).withUnsafeBufferPointer(write)
    }
  }
}

/// Statistics together with the gradient saliencies that some scores need beside them.
public struct StatisticsWithGradients: Statistics {
  private let base: any Statistics
  private let gradients: [BackwardPass.Scalar: StoredSaliencies]

  public init(_ base: any Statistics, gradients: [BackwardPass.Scalar: StoredSaliencies]) {
    self.base = base
    self.gradients = gradients
  }

  public var name: String { base.name }
  public var tokens: Int { base.tokens }
  public var layerCount: Int { base.layerCount }
  public func layer(_ index: Int) throws -> LayerStatistics { try base.layer(index) }
  public func saliencies(of scalar: BackwardPass.Scalar, layer index: Int) throws -> LayerSaliencies? {
    try gradients[scalar]?.layer(index)
  }
}

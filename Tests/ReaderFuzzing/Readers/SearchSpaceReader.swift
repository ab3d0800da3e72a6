import Foundation
import LanguageModels
import Search
import Subnets

extension FuzzedReader {
  /// A search space in YAML, and its genes for a model.
  static let searchSpace = FuzzedReader(
    "search-space", .text,
    fixtures: SearchSpace.shipped.map { "search-spaces/\($0.name).yaml" },
    isRefusal: { $0 is SearchSpaceError || $0 is SearchError },
    read: { input in
      let space = try SearchSpace(yaml: String(decoding: input, as: UTF8.self), file: "input.yaml")
      for model in models {
        let bound: BoundSpace
        do {
          bound = try BoundSpace(space, to: model, calibrationSets: ["wiki", "code"])
        } catch  where error is SearchSpaceError || error is SearchError {
          continue
        }
        for genome in [bound.design.lowest, bound.design.highest] {
          let genes = bound.genes(genome)
          try Violation.require(bound.genome(genes) != nil, "the genes of a genome have no genome")
          try Violation.require(bound.cost.cost(genome) >= 0, "a genome has a negative cost")
        }
      }
    })

  /// One whose layers are alike, and one whose layers differ.
  private static let models = [[(4, 64), (4, 64)], [(4, 64), (2, 100), (0, 96)]].map { widths in
    ModelConfiguration(
      family: .llama, hiddenSize: 32, vocabularySize: 100, headDimension: 8,
      layers: widths.map { LayerShape(queryHeads: 2 * $0.0, kvHeads: $0.0, mlpChannels: $0.1) },
      block: BlockDescription(normEpsilon: 1e-5, rotary: RotaryConfiguration(theta: 10_000, scaling: .none)),
      tiedEmbeddings: true, contextLength: 128)
  }
}

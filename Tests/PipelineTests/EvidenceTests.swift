import Checkpoints
import Foundation
import Reports
import Subnets
import Testing

@testable import LanguageModels
@testable import Pipeline

@Suite struct EvidenceTests {
  private static let model = ModelSummary(
    name: "lamp", fingerprint: "aaaabbbbcccc", architecture: "llama", parametersTotal: 100, parametersBlock: 80,
    layers: 2, kvGroupsPerLayer: 2, queryHeadsPerGroup: 1, mlpChannels: 8, headDimension: 4)
  private static let widths = [
    3: [LayerWidths(groups: 1, channels: 8), LayerWidths(groups: 2, channels: 4)],
    5: [LayerWidths(groups: 2, channels: 2), LayerWidths(groups: 0, channels: 4)],
  ]
  private static let origin: [String: JSONValue] = [
    "study": "mine", "trial": 3, "repair": "nested", "genome": [[1, 8], [2, 4]], "parent_fingerprint": "aaaabbbbcccc",
  ]

  /// A document of `evaluate --json` on one text.
  private static func evaluation(
    _ origin: [String: JSONValue]?, fingerprint: String = "ddddeeeeffff", hash: String = "01", kl: Double = 0.3,
    dense: String = "aaaabbbbcccc", densePerplexity: Double = 20
  ) -> [String: JSONValue] {
    [
      "schema": "nas-search.evaluate", "version": 1, "dense": ["path": "dense", "fingerprint": .string(dense)],
      "model": [
        "path": "out/file.gguf", "fingerprint": .string(fingerprint), "bytes": 4000, "weights": "q4_0",
        "sha256": .string(hash), "origin": origin.map { .object($0) } ?? .null,
      ],
      "measurements": [
        [
          "file": "texts/lake.txt", "window": 64, "windows": 4, "tokens": 256, "perplexity": 25, "mean_nll": 3.2,
          "dense_perplexity": .number(densePerplexity), "kl": .number(kl), "top1_agreement": 0.7,
        ]
      ],
    ]
  }

  private static func tasks(_ value: Double, hash: String = "01") -> [String: JSONValue] {
    var document = evaluation(origin, hash: hash)
    document["measurements"] = nil
    document["tasks"] = [
      [
        "task": "piqa", "items": 40, "items_per_second": 2,
        "metrics": [
          ["metric": "acc", "value": 0.5, "stderr": 0.08, "dense": nil, "difference": nil, "difference_stderr": nil],
          ["metric": "acc_norm", "value": .number(value), "stderr": 0.08],
        ],
      ]
    ]
    document["means"] = []
    return document
  }

  private static func speed(
    _ origin: [String: JSONValue]?, hash: String = "01", threads: Int = 1
  ) -> [String: JSONValue] {
    [
      "schema": "nas-search.speed", "version": 1, "machine": "m", "engine": "e", "threads": .integer(threads),
      "prompt_tokens": 64, "generated_tokens": 8, "rounds": 3,
      "files": [
        [
          "path": "file.gguf", "bytes": 4000, "sha256": .string(hash), "weights": "q4_0",
          "origin": origin.map { .object($0) } ?? .null, "prompt_tokens_per_second": 900, "prompt_spread": 3,
          "generated_tokens_per_second": 100.5, "generated_spread": 0.5, "resident_bytes": 9000,
        ]
      ],
    ]
  }

  private func read(_ documents: [String: JSONValue]...) throws -> Evidence {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("evidence-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var evidence = Evidence(study: "mine", model: Self.model, widths: Self.widths)
    try evidence.read(
      documents.enumerated().map { index, document in
        let url = folder.appendingPathComponent("\(index).json")
        try Data(JSONValue.object(document).text().utf8).write(to: url)
        return url.path
      })
    return evidence
  }

  /// What is wrong with the last of the documents, in words.
  private func refusal(_ documents: [String: JSONValue]...) -> String {
    do {
      switch documents.count {
      case 1: _ = try read(documents[0])
      default: _ = try read(documents[0], documents[1])
      }
      return "nothing"
    } catch { return "\(error)" }
  }

  @Test func documentsOfOneFileComeTogether() throws {
    // In any order: the file's hash joins them.
    let evidence = try read(Self.speed(nil), Self.tasks(0.6), Self.evaluation(Self.origin))
    let file = try #require(evidence.files.first)
    #expect(evidence.files.count == 1 && evidence.conditions?.rounds == 3)
    #expect((file.trial, file.weights, file.repair, file.bytes) == (3, "q4_0", "nested", 4000))
    #expect(
      file.texts == [.init(name: "lake.txt", window: 64, windows: 4, perplexity: 25, kl: 0.3, top1Agreement: 0.7)])
    #expect(file.tasks.map(\.value) == [0.5, 0.6] && file.tasks.map(\.isPrimary) == [false, true])
    #expect(file.speed?.generation == 100.5 && file.speed?.residentBytes == 9000)
  }

  @Test func recordsTellWhatAFileIs() throws {
    let converted: [String: JSONValue] = ["method": "convert", "parent_fingerprint": "aaaabbbbcccc"]
    let evidence = try read(
      Self.evaluation(converted, hash: "02"), Self.evaluation(nil, fingerprint: "aaaabbbbcccc", hash: "03", kl: 0),
      Self.speed(Self.origin, hash: "04"))
    #expect(evidence.files.map(\.trial) == [nil, nil, 3])
    #expect(evidence.files.map(\.texts.count) == [1, 1, 0])
  }

  @Test func foreignEvidenceIsRefused() {
    func changed(_ key: String, _ value: JSONValue?) -> [String: JSONValue] {
      var origin = Self.origin
      origin[key] = value
      return Self.evaluation(origin)
    }
    #expect(refusal(changed("study", "other")).contains("an export of study 'other', not of 'mine'"))
    #expect(refusal(changed("trial", 4)).contains("trial 4, which the study lacks"))
    #expect(refusal(changed("genome", [[1, 8], [2, 2]])).contains("other widths than trial 3"))
    #expect(refusal(changed("parent_fingerprint", "0000")).contains("comes from another model"))
    #expect(
      refusal(Self.evaluation(["method": "wanda-sp", "parent_fingerprint": "aaaabbbbcccc"])).contains(
        "made by 'wanda-sp'"))
    #expect(refusal(Self.evaluation(nil)).contains("fingerprint ddddeeeeffff is not that of the study's model"))
    #expect(refusal(Self.evaluation(Self.origin, dense: "0000")).contains("another dense model"))
    #expect(refusal(Self.speed(nil)).contains("no evaluate --json of the same file"))
    #expect(
      refusal(Self.evaluation(Self.origin), Self.evaluation(Self.origin, hash: "02", densePerplexity: 21)).contains(
        "different texts of one name"))
    #expect(
      refusal(Self.evaluation(Self.origin), Self.evaluation(Self.origin, kl: 0.4)).contains("with another result"))
    #expect(refusal(Self.tasks(0.6), Self.tasks(0.7)).contains("acc_norm of piqa was measured before"))
    #expect(refusal(Self.speed(Self.origin), Self.speed(Self.origin, threads: 2)).contains("another machine"))
  }

  @Test func wrongDocumentsAreRefused() {
    #expect(refusal(["schema": "nas-search.compare", "version": 2]).contains("'nas-search.compare', version 2"))
    var old = Self.evaluation(Self.origin)
    old["model"] = ["path": "out/file.gguf"]
    #expect(refusal(old).contains("make it anew"))
    var empty = Self.evaluation(Self.origin)
    empty["measurements"] = nil
    #expect(refusal(empty).contains("nothing is measured"))
    var infinite = Self.evaluation(Self.origin)
    infinite["measurements"] = [["file": "lake.txt", "window": 64, "windows": 4, "perplexity": nil]]
    #expect(refusal(infinite).contains("no positive number"))
    var speed = Self.speed(Self.origin)
    speed["files"] = [["path": "x"]]
    #expect(refusal(speed).contains("'files.[0].bytes' is missing"))
    #expect(throws: PipelineError.damaged(path: "nowhere.json", problem: "there is no file of this name")) {
      var evidence = Evidence(study: "mine", model: Self.model, widths: Self.widths)
      try evidence.read(["nowhere.json"])
    }
  }

  @Test func recordsOfConvertedExportsKeepTheirOrigin() throws {
    let export: JSONValue = [
      "study": "mine", "trial": 3, "repair": "nested", "genome": [[1, 8], [2, 4]],
      "parent": ["name": "lamp", "fingerprint": "aaaabbbbcccc"],
    ]
    let first: JSONValue = ["method": "convert", "parent": ["fingerprint": "1111"], "earlier": export]
    let second: JSONValue = [
      "method": "convert", "parent": ["fingerprint": "2222"], "earlier": first, "vocabulary": ["tokens": 50],
    ]
    var expected = try #require(ModelOrigin(export))
    #expect(expected.document == .object(Self.origin))
    expected.tokens = 50
    #expect(ModelOrigin(second) == expected)
    let dense: JSONValue = ["method": "convert", "parent": ["fingerprint": "aaaabbbbcccc"]]
    #expect(ModelOrigin(["method": "convert", "parent": ["fingerprint": "3"], "earlier": dense]) == ModelOrigin(dense))
    #expect(ModelOrigin(["schema": "nas-search.export"]) == nil)
  }
}

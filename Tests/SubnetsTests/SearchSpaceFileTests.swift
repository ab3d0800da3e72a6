import Foundation
import Testing

@testable import Subnets

@Suite struct SearchSpaceFileTests {
  private func read(_ yaml: String) throws -> SearchSpace { try SearchSpace(yaml: yaml, file: "space.yaml") }

  private func expectError(
    _ error: SearchSpaceError, _ yaml: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(throws: error, sourceLocation: sourceLocation) { try read(yaml) }
  }

  /// An invalid value of `key` in line `line`, whatever the words are.
  private func expectInvalid(
    _ key: String, line: Int, _ yaml: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: SearchSpaceError.self, sourceLocation: sourceLocation) { try read(yaml) }
    guard case .invalidValue(let file, let found, let name, let problem)? = error else {
      Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
      return
    }
    #expect(file == "space.yaml" && found == line && name == key && !problem.isEmpty, sourceLocation: sourceLocation)
    #expect(
      "\(SearchSpaceError.invalidValue(file: file, line: found, key: name, problem: problem))"
        .hasPrefix("space.yaml:\(line): '\(key)'"), sourceLocation: sourceLocation)
  }

  @Test func everyKeyIsRead() throws {
    let space = try read(
      """
      # a comment
      name: mine
      summary: "two words"
      layers: shared
      attention: {minimum: 2, step: 3}
      mlp:
        minimum: 0.25
        step: 64
      floors:
        - layers: [0, -1]
          attention: 4
        - layers: [3]
          mlp: 0.5
          attention: 0.75
      scores: [wanda-sp, random]
      calibration: [mix, each]
      samples: [8, 64]
      damping: [1e-4, 0.1]
      keep: [0.4, 0.9]
      """)
    var expected = SearchSpace(
      name: "mine", layers: .shared, attention: .init(minimum: .units(2), step: 3),
      mlp: .init(minimum: .share(0.25), step: 64),
      floors: [
        .init(layers: [0, -1], attention: .units(4), mlp: nil),
        .init(layers: [3], attention: .share(0.75), mlp: .share(0.5)),
      ],
      scores: ["wanda-sp", "random"], calibrations: [.mix, .each], keep: 0.4...0.9)
    expected.summary = "two words"
    expected.samples = [8, 64]
    expected.damping = [1e-4, 0.1]
    #expect(space == expected)
  }

  @Test func everythingButTheNameHasADefault() throws {
    #expect(
      try read("name: x")
        == SearchSpace(
          name: "x", attention: .init(minimum: .units(1), step: 1),
          mlp: .init(minimum: .share(0.15), step: nil), scores: ["obs-loss", "obs", "flap"],
          calibrations: [.each, .mix], keep: 0.5...1))
    // Also within a section.
    #expect(try read("name: x\nmlp: {minimum: 3}").mlp == .init(minimum: .units(3), step: nil))
    #expect(try read("name: x\nmlp: {step: 8}").mlp == .init(minimum: .share(0.15), step: 8))
  }

  /// A whole number counts units, a decimal point makes a share.
  @Test func amountsAreUnitsOrShares() throws {
    func minimum(_ text: String) throws -> SearchSpace.Amount {
      try read("name: x\nmlp: {minimum: \(text)}").mlp.minimum
    }
    #expect(try minimum("1") == .units(1))
    #expect(try minimum("1.0") == .share(1))
    #expect(try minimum("0.05") == .share(0.05))
    #expect(try minimum("4096") == .units(4096))
    #expect(try minimum("0") == .units(0))
    for bad in ["-1", "0.0", "1.5", "-0.5", "half", "[1]", "{a: 1}", "~", ".nan", ".inf"] {
      expectInvalid("minimum", line: 2, "name: x\nmlp: {minimum: \(bad)}")
    }
  }

  @Test func aggregationsNeedScoresThatTakeThem() throws {
    let space = try read("name: x\nscores: [obs, llm-pruner-mix]\naggregations: [sum, last]")
    #expect(space.aggregations == ["sum", "last"])
    expectInvalid("aggregations", line: 3, "name: x\nscores: [obs, llm-pruner-mix]\naggregations: [max, max]")
    expectInvalid("aggregations", line: 3, "name: x\nscores: [obs, llm-pruner-first:max]\naggregations: [sum]")
  }

  @Test func automaticStepsAreAskedFor() throws {
    #expect(try read("name: x\nmlp: {step: auto}").mlp.step == nil)
    // Asked for, it replaces the default of one.
    #expect(try read("name: x\nattention: {step: auto}").attention.step == nil)
    for bad in ["0", "-2", "1.5", "some", "[2]"] {
      expectInvalid("step", line: 3, "name: x\nmlp:\n  step: \(bad)")
    }
  }

  @Test func queriesArePositiveWholeNumbers() throws {
    #expect(try SearchSpace(yaml: "name: x", file: "space.yaml").attention.queries == nil)
    #expect(try SearchSpace(yaml: "name: x\nattention:\n  queries: 2", file: "space.yaml").attention.queries == 2)
    for bad in ["0", "-1", "1.5", "all"] { expectInvalid("queries", line: 3, "name: x\nattention:\n  queries: \(bad)") }
  }

  @Test func unknownKeysAreNamedWithTheirLine() {
    expectError(
      .unknownKey(
        file: "space.yaml", line: 3, key: "score",
        known: [
          "name", "summary", "layers", "attention", "mlp", "floors", "scores", "aggregations", "calibration", "samples",
          "damping", "keep",
        ]),
      "name: x\nlayers: each\nscore: [random]")
    expectError(
      .unknownKey(file: "space.yaml", line: 4, key: "minimun", known: ["minimum", "step", "expert_channels"]),
      "name: x\nmlp:\n  step: 4\n  minimun: 2")
    expectError(
      .unknownKey(file: "space.yaml", line: 3, key: "queries", known: ["minimum", "step", "expert_channels"]),
      "name: x\nmlp:\n  queries: 1")
    expectError(
      .unknownKey(file: "space.yaml", line: 5, key: "layer", known: ["layers", "attention", "mlp"]),
      "name: x\nfloors:\n  - layers: [1]\n    mlp: 4\n    layer: 3")
    let error = SearchSpaceError.unknownKey(file: "f.yaml", line: 3, key: "k", known: ["a", "b"])
    #expect(error.description == "f.yaml:3: unknown key 'k' (known: a, b)")
  }

  @Test func missingKeysAreNamed() {
    expectError(.invalid(file: "space.yaml", problem: "the key 'name' is missing"), "summary: no name")
    expectError(.invalid(file: "space.yaml", problem: "the key 'layers' is missing"), "name: x\nfloors: [{mlp: 4}]")
  }

  @Test func badValuesAreNamedWithTheirLine() {
    expectInvalid("layers", line: 2, "name: x\nlayers: some")
    expectInvalid("layers", line: 2, "name: x\nlayers: [each]")
    expectInvalid("scores", line: 3, "name: x\n\nscores: wanda-sp")
    expectInvalid("scores", line: 2, "name: x\nscores: []")
    expectInvalid("calibration", line: 2, "name: x\ncalibration: [all]")
    expectInvalid("calibration", line: 2, "name: x\ncalibration: []")
    for bad in ["[0]", "[4, 4]", "8", "[many]"] { expectInvalid("samples", line: 2, "name: x\nsamples: \(bad)") }
    for bad in ["[0]", "[0.1, 0.1]", "0.1", "[.nan]"] { expectInvalid("damping", line: 2, "name: x\ndamping: \(bad)") }
    expectInvalid("floors", line: 2, "name: x\nfloors: {layers: [1]}")
    expectInvalid("layers", line: 2, "name: x\nfloors: [{layers: 1}]")
    expectInvalid("layers", line: 2, "name: x\nfloors: [{layers: [first]}]")
    expectInvalid("name", line: 1, "name: [x]")
    for bad in [
      "[0.5]", "[0.9, 0.5]", "[0, 1]", "[0.5, 1.5]", "[a, b]", "0.5", "[0.1, 0.2, 0.3]", "[-0.5, 0.5]", "[.nan, 1]",
    ] {
      expectInvalid("keep", line: 2, "name: x\nkeep: \(bad)")
    }
  }

  @Test func whatIsNoMappingIsAnError() {
    for yaml in ["", "- a\n- b", "just text", "name: [", "a: b: c", "name: x\nname: y", "attention: 5\nname: x"] {
      let error = #expect(throws: SearchSpaceError.self, "\(yaml)") { try read(yaml) }
      guard case .invalid(let file, let problem)? = error else {
        Issue.record("'\(yaml)': \(String(describing: error))")
        continue
      }
      #expect(file == "space.yaml" && !problem.isEmpty && !problem.contains("\n"))
    }
  }

  @Test func unreadableFilesAreErrors() throws {
    let place = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).yaml")
    let unreadable = SearchSpaceError.invalid(file: place.path, problem: "no such search space, or it cannot be read")
    #expect(throws: unreadable) { try SearchSpace.text(of: place) }
    try Data([0x6E, 0xFF, 0xFE]).write(to: place)
    defer { try? FileManager.default.removeItem(at: place) }
    #expect(throws: unreadable) { try SearchSpace.text(of: place) }
  }

  /// The example says what the defaults are, and all its keys are keys, those behind `#` too.
  @Test func theExampleIsTrue() throws {
    let example = try #require(SearchSpace.shipped.first { $0.name == "example" }).yaml
    var defaults = try read("name: example")
    defaults.summary = try read(example).summary
    #expect(try read(example) == defaults)
    let optional = /# (?=(queries|floors|  - layers|    attention|    mlp|aggregations|samples|damping):)/
    let full = try read(
      example.replacing(optional, with: "").replacing("obs-loss, obs, flap", with: "obs, llm-pruner-first"))
    #expect(full.attention.queries == 2)
    #expect(full.floors == [.init(layers: [0, -1], attention: .share(0.5), mlp: .share(0.5))])
    #expect(full.aggregations == ["sum", "max"])
    #expect(full.samples == [8, 32])
    #expect(full.damping == [0.001, 0.01, 0.1])
  }

  @Test func scoresReplaceThoseOfTheFile() throws {
    let text = "name: x\nscores: [wanda-sp]"
    #expect(try SearchSpace(yaml: text, file: "x", scores: ["flap", "obs"]).scores == ["flap", "obs"])
    #expect(try SearchSpace(yaml: text, file: "x", scores: nil).scores == ["wanda-sp"])
    #expect(throws: SearchSpaceError.self) { try SearchSpace(yaml: text, file: "x", scores: ["flap", "flap"]) }
  }

  /// The spaces of the program are the files of the folder, valid, and carry the names of their files.
  @Test func shippedSpacesAreValid() throws {
    let folder = Fixture.repository.appendingPathComponent("search-spaces")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
    #expect(Set(files) == Set(SearchSpace.shipped.map { "\($0.name).yaml" }))
    for (name, yaml) in SearchSpace.shipped {
      #expect(try SearchSpace.text(of: folder.appendingPathComponent("\(name).yaml")) == yaml)
      let space = try SearchSpace(yaml: yaml, file: name)
      #expect(space.name == name)
      #expect(!space.summary.isEmpty)
      for fixture in Fixture.allCases {
        let configuration = try fixture.model().configuration
        if space.floors.flatMap(\.layers).contains(where: { $0 >= configuration.layerCount }) {
          #expect(throws: SearchSpaceError.self) {
            try BoundSpace(space, to: configuration, calibrationSets: ["self", "text"])
          }
          continue
        }
        let bound = try BoundSpace(space, to: configuration, calibrationSets: ["self", "text"])
        #expect(bound.design.variables.count >= 4)
      }
    }
  }
}

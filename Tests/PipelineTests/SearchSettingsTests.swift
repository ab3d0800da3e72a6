import Calibration
import Checkpoints
import Foundation
import LinearAlgebra
import Testing

@testable import Pipeline

@Suite struct SearchSettingsTests {
  private func changed(_ change: (inout SearchSettings) -> Void) -> SearchSettings {
    var settings = SearchSettings(model: "m")
    change(&settings)
    return settings
  }

  /// One change of every setting, and the words of the command line for it.
  private var changes: [(SearchSettings, String)] {
    [
      (changed { $0.space = "blocks" }, "--space blocks"),
      (changed { $0.scores = ["flap", "obs"] }, "--scores flap,obs"), (changed { $0.aim = 0.7 }, "--aim 0.7"),
      (changed { $0.target = .keep(0.8) }, "--keep 0.8"),
      (changed { $0.target = .parameters(9) }, "--params 9"), (changed { $0.target = .size(500) }, "--size 500"),
      (changed { $0.target = .memory(500, context: 9) }, "--memory 500 --context 9"),
      (changed { $0.weights = .q4KM }, "--dtype q4_k_m"),
      (changed { $0.latencyShare = 0.7 }, "--latency 0.7"),
      (changed { $0.latencyTable = "l.json" }, "--latency-table l.json"),
      (changed { $0.latencyWorkload = "prompt-64" }, "--latency-workload prompt-64"),
      (changed { $0.objectives = ["perplexity", "params"] }, "--objectives perplexity,params"),
      (
        changed { $0.plan.calibration = [.init("a.txt", field: "body"), .model] },
        "--calibration a.txt --calibration self --field body"
      ),
      (changed { $0.plan.calibrationWindows = 4 }, "--calibration-windows 4"),
      (changed { $0.plan.calibrationLength = 64 }, "--calibration-length 64"),
      (changed { $0.plan.fitnessWindows = 3 }, "--fitness-windows 3"),
      (changed { $0.plan.fitnessLength = 32 }, "--fitness-length 32"),
      (changed { $0.plan.gradientWindows = 8 }, "--gradient-windows 8"),
      (changed { $0.plan.filter.minimumTokens = 5 }, "--min-tokens 5"),
      (changed { $0.plan.filter.duplicates = .near }, "--duplicates near"),
      (changed { $0.plan.filter.lossBand = .init(lower: 0.1, upper: 0.9) }, "--loss-band 0.1,0.9"),
      (changed { $0.plan.subsets = 2 }, "--calibration-subsets 2"), (changed { $0.plan.seed = 7 }, "--seed 7"),
      (changed { $0.damping = 0.1 }, "--damping 0.1"), (changed { $0.repair = .none }, "--repair none"),
      (changed { $0.curveMetric = .residualStream }, "--curve-metric residual"),
      (changed { $0.allocation = .quadratic }, "--allocation quadratic"), (changed { $0.rounds = 2 }, "--rounds 2"),
      (changed { $0.rungs = 3 }, "--rungs 3"),
      (changed { $0.optimizer = .bayesian }, "--optimizer bayesian"),
      (changed { $0.population = 8 }, "--population 8"), (changed { $0.precision = .bfloat16 }, "--precision bf16"),
    ]
  }

  /// What a study stores, what tells two of them apart and what repeats one know every setting.
  @Test func everySettingIsStoredComparedAndRepeated() throws {
    let standard = SearchSettings(model: "m")
    #expect(standard.words == ["--model", "m"])
    for (settings, words) in changes {
      #expect(try StoredJSON.decoder().decode(SearchSettings.self, from: settings.json()) == settings)
      #expect(settings.words.joined(separator: " ") == "--model m \(words)")
      #expect(settings.difference(to: settings) == nil)
      #expect(standard.difference(to: settings) != nil && settings.difference(to: standard) != nil, "\(words)")
    }
    let text = changed { $0.spaceText = "other" }
    #expect(standard.difference(to: text) == "the file of the search space has changed")
    // Every stored value but the model has a change above.
    let keys = try [standard.json(), JSONEncoder().encode(standard.plan), JSONEncoder().encode(standard.plan.filter)]
      .map {
        try #require(JSONSerialization.jsonObject(with: $0) as? [String: Any]).count
      }
    // Without `scores`, `target`, `weights`, `aim`, `damping`, `rounds`, `lossBand` and the three of latency, which have no value here; `model`, `spaceText`,
    // `plan`, `filter`, `schema` and `version` are none, and `engine` has one value only. A target has four kinds.
    #expect(keys.reduce(0, +) - 7 + 10 == changes.count - 3)
  }

  @Test func differencesAreInTheWordsOfTheCommandLine() {
    let standard = SearchSettings(model: "m")
    #expect(changed { $0.precision = .bfloat16 }.difference(to: standard) == "precision was bf16, now f32")
    #expect(changed { $0.plan.gradientWindows = 8 }.difference(to: standard) == "gradient windows was 8, now 16")
    #expect(changed { $0.target = .keep(0.5) }.difference(to: standard) == "target was --keep 0.5, now none")
    #expect(standard.difference(to: changed { $0.damping = 0.1 }) == "damping was not given, now 0.1")
    // A study that is older than rounds goes on without them.
    let words = standard.difference(to: changed { $0.rounds = 2 })
    #expect(words == "rounds was 1, now 2; the study is older than this setting, and goes on with --rounds 1")
    #expect(changed { $0.rounds = 3 }.difference(to: changed { $0.rounds = 2 }) == "rounds was 3, now 2")
    // The model is compared by its fingerprint.
    #expect(standard.difference(to: SearchSettings(model: "moved")) == nil)
  }

  @Test(arguments: Precision.allCases) func aPrecisionThatIsMissingIsAnError(_ precision: Precision) throws {
    let settings = changed { $0.precision = precision }
    if precision.isSupported {
      #expect(try settings.evaluationPrecision() == precision)
    } else {
      #expect(throws: PipelineError.self) { try settings.evaluationPrecision() }
    }
  }

  @Test func settingsThatNoSearchCanHave() throws {
    try SearchSettings(model: "m").validate()
    for wrong in [
      changed { $0.target = .keep(1.5) }, changed { $0.objectives = ["params"] }, changed { $0.repair = .bias },
      changed { $0.damping = 0 }, changed { $0.rungs = 11 }, changed { $0.population = 1 },
      changed { $0.plan.calibrationWindows = 0 }, changed { $0.plan.fitnessLength = 1 },
      changed { ($0.plan.fitnessLength, $0.plan.fitnessWindows) = (1 << 20, 1 << 20) },
      changed { $0.plan.gradientWindows = 0 }, changed { $0.plan.subsets = 0 },
      changed { $0.plan.filter.minimumTokens = -1 }, changed { $0.optimizer = .nested },
    ] { #expect(throws: PipelineError.self) { try wrong.validate() } }
  }
}

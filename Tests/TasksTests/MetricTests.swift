import Checkpoints
import Foundation
import Testing

@testable import Tasks

@Suite struct MetricTests {
  private func item(_ texts: [String], right: Int, group: String = "") -> TaskItem {
    TaskItem(
      "here", .choice(texts.map { TextPair("c", $0) }, texts: texts, right: right), group: group)
  }

  private func answer(_ sums: Double...) -> TaskAnswer {
    .likelihoods(sums.map { LogLikelihood(sum: $0, isGreedy: false, tokens: 1) })
  }

  private let kind = TaskKind("t", source: "", metrics: [.accuracy, .normalised]) { _ in [] }

  /// Lengths are code points: `é` of two of them counts twice, an emoji of four bytes once.
  @Test func lengthsAreCodePoints() {
    let texts = ["e\u{301}e\u{301}", "🙂🙂🙂"]
    let (right, said) = (item(texts, right: 0), answer(-8, -6.3))
    #expect(TaskMetric.accuracy.value(right, said) == 0)
    // −8/4 beats −6.3/3; by letters (−8/2) or bytes (−6.3/12) the second would.
    #expect(TaskMetric.normalised.value(right, said) == 1)
  }

  /// The loss is of what the metric compares; the choice is the metric's.
  @Test func lossesAreOfWhatTheMetricCompares() throws {
    let model = try Fixtures.model("llama3-gqa")
    let encoder = PairEncoder(try model.tokenizer(), longest: 100)
    let items = try [(["the lamp", "sea"], 0), (["salt", "river stone", "light"], 2)].map { texts, right in
      try ChoiceItem(TaskItem.choice("here", "keeper", texts, right: right), encoder)
    }
    let sums = [-8.0, -3.5, -4, -6, -4.5].map { LogLikelihood(sum: $0, isGreedy: false, tokens: 1) }
    let plain = try ChoiceScores(items, .accuracy, sums)
    let byLength = try ChoiceScores(items, .normalised, sums)
    func loss(_ scores: [Double], _ right: Int) -> Double {
      -log(exp(scores[right]) / scores.reduce(0) { $0 + exp($1) })
    }
    let expected = [loss([-8, -3.5], 0), loss([-4, -6, -4.5], 2)]
    let expectedByLength = [loss([-8.0 / 8, -3.5 / 3], 0), loss([-4.0 / 4, -6.0 / 11, -4.5 / 5], 2)]
    #expect(zip(plain.losses, expected).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(zip(byLength.losses, expectedByLength).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(plain.hits == [0, 0] && byLength.hits == [1, 0])
    let infinite = Array(sums.dropLast()) + [LogLikelihood(sum: -.infinity, isGreedy: false, tokens: 1)]
    #expect(
      problem { _ = try ChoiceScores(items, .accuracy, infinite) } == "here: the model's logits are not finite here")
  }

  @Test func theFirstOfEqualsIsTaken() {
    #expect(TaskMetric.accuracy.value(item(["a", "b"], right: 0), answer(-1, -1)) == 1)
    #expect(TaskMetric.accuracy.value(item(["a", "b"], right: 1), answer(-1, -1)) == 0)
  }

  @Test func errorsAreOfTheSampleAndPaired() throws {
    let items = (0..<4).map { _ in item(["a", "b"], right: 0) }
    let (yes, no) = (answer(-1, -2), answer(-2, -1))
    let result = TaskResult(kind, items, [yes, yes, no, yes], dense: [yes, no, no, yes])
    let score = result.scores[0]
    #expect(score.value == 0.75 && score.dense == 0.5 && score.difference == 0.25)
    #expect(abs(try some(score.standardError) - 0.25) < 1e-12)
    // Differences 0, 1, 0, 0: their standard deviation is 0.5.
    #expect(abs(try some(score.differenceError) - 0.25) < 1e-12)
    #expect(TaskResult(kind, [items[0]], [yes]).scores[0].standardError == nil)
  }

  /// The harness pools the variances of a group's tasks: here 1/3 with three items, and 0 with two.
  @Test func errorsOfGroupsArePooled() throws {
    let items = [0, 0, 0, 1, 1].map { item(["a", "b"], right: 0, group: "\($0)") }
    let (yes, no) = (answer(-1, -2), answer(-2, -1))
    let score = TaskResult(kind, items, [yes, no, no, yes, yes]).scores[0]
    let pooled = (2.0 * (1.0 / 3 / 3) * 3 + 0) / (5 - 2)
    #expect(abs(try some(score.standardError) - (pooled / 5).squareRoot()) < 1e-12)
  }

  @Test func perplexityIsOfTheMean() throws {
    let lambada = TaskKind("l", source: "", metrics: [.perplexity, .accuracy]) { _ in [] }
    let items = (0..<3).map { _ in TaskItem("here", .continuation(TextPair("a", " b"))) }
    let said = [(-1.0, true), (-2, false), (-3, true)].map {
      TaskAnswer.likelihoods([LogLikelihood(sum: $0.0, isGreedy: $0.1, tokens: 1)])
    }
    let result = TaskResult(lambada, items, said, dense: said)
    #expect(abs(result.scores[0].value - exp(2)) < 1e-12)
    #expect(abs(try some(result.scores[0].standardError) - exp(2) / 3.0.squareRoot()) < 1e-12)
    #expect(result.scores[0].differenceError == 0)
    #expect(abs(result.scores[1].value - 2.0 / 3) < 1e-12)
  }

  @Test func meansSayWhatEntersThem() throws {
    let items = (0..<2).map { _ in item(["aaaa", "b"], right: 0) }
    let (yes, no) = (answer(-1, -2), answer(-3, -1))
    let other = TaskKind("o", source: "", metrics: [.accuracy]) { _ in [] }
    // By length the first is right in both.
    let results = [TaskResult(kind, items, [yes, no]), TaskResult(other, items, [no, no])]
    let means = TaskMean.means(of: results)
    #expect(means.map(\.value) == [0.5, 0.25])
    #expect(means[0].parts.map(\.task) == ["t", "o"] && means[0].parts.map(\.metric) == [.normalised, .accuracy])
    #expect(abs(try some(means[1].standardError) - 0.25) < 1e-12)
    #expect(TaskMean.means(of: [results[0]]).isEmpty)
    #expect(TaskMean.means(of: [results[1], results[1]]).count == 1)
  }

  @Test func numbersAreFoundAsTheHarnessFindsThem() throws {
    for solution in try some(Fixtures.json("boundaries.json")["solutions"]?.array) {
      let (written, right) = (try some(solution["written"]?.string), try some(solution["right"]?.string))
      #expect(WrittenNumber.strict(written) == solution["strict"]?["extracted"]?.string)
      #expect(WrittenNumber.flexible(written) == solution["flexible"]?["extracted"]?.string)
      let item = TaskItem("here", .generation(GenerationQuestion("", stops: [], right: right)))
      #expect(TaskMetric.strict.value(item, .text(written)) == solution["strict"]?["score"]?.double)
      #expect(TaskMetric.flexible.value(item, .text(written)) == solution["flexible"]?["score"]?.double)
    }
  }

  @Test func samplesAreThoseOfPython() throws {
    for sample in try some(Fixtures.json("boundaries.json")["samples"]?.array) {
      var random = PythonRandom(seed: UInt32(try some(sample["seed"]?.integer)))
      let (count, wanted) = (try some(sample["count"]?.integer), try some(sample["wanted"]?.integer))
      for drawn in try some(sample["drawn"]?.array) {
        #expect(random.sample(wanted, of: count) == drawn.array?.compactMap(\.integer))
      }
    }
  }

  @Test func textIsCutAsPythonCutsIt() {
    #expect("a\u{A0}\u{1F} \n".trimmingEnd == "a" && "\t\u{3000}a ".trimmingStart == "a ")
    #expect("éCOLE Élan".capitalizedOnce == "École élan" && "ǆ".capitalizedOnce == "ǅ" && "".capitalizedOnce == "")
    #expect("a   b".replacingScalars("  ", with: " ") == "a  b")
    #expect("\r\n\u{301}".codePoints == 3)
  }
}

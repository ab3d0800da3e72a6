import Checkpoints
import Foundation
import Testing

@testable import Tasks

@Suite struct TaskKindTests {
  /// What the harness asks of the same items, from the same task in the form of its data set.
  @Test(arguments: TaskKind.all.map(\.name)) func asksWhatTheHarnessAsks(_ name: String) throws {
    let folder = try TaskFolder(Fixtures.folder.appendingPathComponent("authors"))
    let items = try TaskKind.named(name).items(in: folder)
    let expected = try some(Fixtures.json("asked.json")[name]?.array)
    #expect(items.count == 3 && expected.count == 3)
    for (item, expected) in zip(items, expected) {
      let pairs = try some(expected["pairs"]?.array).map { pair in
        TextPair(try some(pair.array?.first?.string), try some(pair.array?.last?.string))
      }
      switch item.question {
      case .choice(let asked, _, let right):
        #expect(asked == pairs)
        let label = try some(expected["right"]?.string.flatMap { Int($0) } ?? expected["right"]?.integer)
        #expect(right == label - (name == "winogrande" ? 1 : 0))
      case .continuation(let asked): #expect([asked] == pairs)
      case .generation(let question):
        #expect(question.prompt == pairs[0].context)
        #expect(question.right == expected["right"]?.string)
      }
    }
  }

  /// The development file of a task has the form of the reported one, and other names.
  @Test(arguments: [
    ("boolq", ["boolq/dev.jsonl": "BoolQ/train.jsonl"]),
    ("piqa", ["piqa/valid.jsonl": "x/piqa/train.jsonl", "piqa/valid-labels.lst": "x/piqa/train-labels.lst"]),
    ("hellaswag", ["hellaswag_val.jsonl": "hellaswag/train.jsonl"]),
    ("winogrande", ["winogrande_1.1/dev.jsonl": "winogrande_1.1/train_l.jsonl"]),
    ("arc_easy", ["ARC-V1/ARC-Easy/ARC-Easy-Test.jsonl": "ARC-Easy-Train.jsonl"]),
    ("arc_challenge", ["ARC-V1/ARC-Challenge/ARC-Challenge-Test.jsonl": "ARC-Challenge-Train.jsonl"]),
    ("openbookqa", ["OpenBookQA/Data/Main/test.jsonl": "Data/Main/train.jsonl"]),
    ("sciq", ["SciQ/test.json": "train.json"]),
    ("mmlu", ["mmlu/test/abstract_algebra_test.csv": "val/abstract_algebra_val.csv"]),
  ])
  func developmentItemsAreOfOtherFiles(_ name: String, _ names: [String: String]) throws {
    let authors = Fixtures.folder.appendingPathComponent("authors")
    let kind = try TaskKind.named(name)
    let folder = try Folder()
    for (reported, own) in names {
      try folder.write(String(contentsOf: authors.appendingPathComponent(reported), encoding: .utf8), own)
    }
    let found = try TaskFolder(folder.url)
    let (items, expected) = (
      try kind.items(in: found, of: .development), try kind.items(in: TaskFolder(authors))
    )
    #expect(items.map(\.question) == expected.map(\.question) && items.count == 3)
    #expect(items.map(\.group) == expected.map(\.group))
    #expect(try kind.files(in: found, of: .development).count == names.count)
    #expect(try !kind.hasFiles(in: found, of: .reported) && kind.hasFiles(in: TaskFolder(authors), of: .reported))
    #expect(throws: TaskError.self) { try kind.items(in: found) }
  }

  @Test func someTasksHaveNoDevelopmentItems() throws {
    let all = TaskKind.withDevelopment.map(\.name)
    #expect(all.count == TaskKind.all.count - 2)
    for name in ["lambada_openai", "gsm8k"] {
      let folder = try TaskFolder(Fixtures.folder.appendingPathComponent("authors"))
      #expect(
        problem { _ = try TaskKind.named(name).items(in: folder, of: .development) }.hasPrefix(
          "the task '\(name)' has no development file"))
    }
  }

  @Test func marksOfHellaSwagGo() throws {
    let row = """
      {"activity_label": "Wash [x] up", "ctx_a": "[header] How to wash [title] Take water.", "ctx_b": "the MAN  then", \
      "endings": ["[step] dries  it", " open [ bracket", "a", "b"], "label": 1}
      """
    let item = try some(Folder(["hellaswag_val.jsonl": row]).items("hellaswag").first)
    let context = "Wash up: How to wash. Take water. The man then"
    #expect(item.pairs.map(\.context) == Array(repeating: context, count: 4))
    #expect(item.pairs.map(\.continuation) == ["  dries it", " open [ bracket", " a", " b"])
  }

  @Test func superGLUEsBoolQHasItsTitleInThePassage() throws {
    let row = #"{"question": "is it so", "passage": "Lamp -- It is.", "idx": 0, "label": true}"#
    let item = try some(Folder(["BoolQ/val.jsonl": row]).items("boolq").first)
    #expect(item.pairs[0].context == "Lamp -- It is.\nQuestion: is it so?\nAnswer:")
    guard case .choice(_, let texts, let right) = item.question else { throw Missing() }
    #expect(texts == ["no", "yes"] && right == 1)
  }

  @Test func labelsMayLieBesideWinoGrande() throws {
    let rows = "{\"sentence\": \"A met B and _ left.\", \"option1\": \"A\", \"option2\": \"B\"}\n"
    let folder = try Folder(["winogrande_1.1/dev.jsonl": rows, "winogrande_1.1/dev-labels.lst": "2\n"])
    guard case .choice(let pairs, _, let right) = try some(folder.items("winogrande").first).question else {
      throw Missing()
    }
    #expect(pairs == [TextPair("A met B and A", " left."), TextPair("A met B and B", " left.")] && right == 1)
  }

  @Test func tablesOfMMLUAreRFC4180() throws {
    let rows = try CSVRows("a,\"b, \"\"c\"\"\nd\",e\r\n\r\nf,,\n", file: "t").map { ($0.place, $0.cells) }
    #expect(rows.map(\.0) == ["t:1", "t:4"])
    #expect(rows.map(\.1) == [["a", "b, \"c\"\nd", "e"], ["f", "", ""]])
    #expect(problem { _ = try CSVRows("a\n\"b", file: "t") } == "t:2: a quotation mark is not closed")
  }

  @Test func whatIsWrongIsNamed() throws {
    #expect(
      problem { _ = try TaskKind.named("hellaswagg") }.hasPrefix(
        "there is no task 'hellaswagg'; did you mean 'hellaswag'? (tasks: boolq, piqa"))
    let empty = try Folder()
    #expect(
      problem { _ = try empty.items("arc_easy") }.hasSuffix(
        "no file of the task 'arc_easy' here; looked for ARC-Easy-Test.jsonl, ARC-Easy-Dev.jsonl"))
    #expect(
      problem { _ = try TaskFolder(empty.url.appendingPathComponent("none")) }.hasSuffix("there is no such folder"))
    let twice = try Folder(["a/hellaswag_val.jsonl": "{}", "b/hellaswag_val.jsonl": "{}"])
    #expect(problem { _ = try twice.items("hellaswag") }.contains("wants one hellaswag_val.jsonl, but there are "))
  }

  @Test(arguments: [
    ("{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n{\"goal\": \n", "0\n1\n", "valid.jsonl:2: not valid JSON: "),
    ("{\"goal\": \"g\", \"sol1\": \"a\"}\n", "0\n", "valid.jsonl:1: there is no 'sol2'"),
    ("{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": 3}\n", "0\n", "valid.jsonl:1: 'sol2' is not a text"),
    (
      "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n", "2\n",
      "valid.jsonl:1: the label 2 is not one of 2 choices"
    ),
    ("{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n", "x\n", "valid-labels.lst:1: 'x' is no label"),
    (
      "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n", "0\n1\n", "valid-labels.lst: it has 2 labels for 1 items"
    ),
  ])
  func wrongLinesAreNamed(_ rows: String, _ labels: String, _ expected: String) throws {
    let folder = try Folder(["piqa/valid.jsonl": rows, "piqa/valid-labels.lst": labels])
    let message = problem { _ = try folder.items("piqa") }
    #expect(message.contains(expected), "\(message)")
  }

  @Test func aKeyThatIsNoLabelIsNamed() throws {
    let row = """
      {"id": "q", "question": {"stem": "s", "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]}, \
      "answerKey": "C"}
      """
    let folder = try Folder(["ARC-Easy-Test.jsonl": row])
    #expect(
      problem { _ = try folder.items("arc_easy") }.hasSuffix(
        "ARC-Easy-Test.jsonl:1: 'answerKey' is 'C', none of the labels A, B"))
  }

  @Test func requestsAreTakenAsTheyAre() throws {
    let folder = try Folder()
    let url = try folder.write(
      """
      {"context": "a", "continuations": [" b", "c"], "target": 1}
      {"context": "d", "continuations": [" e"]}
      {"context": "f", "until": ["\\n"], "max_tokens": 3}
      """, "r.jsonl")
    let (kind, items) = try TaskKind.requests(url)
    #expect(kind.name == "r.jsonl" && kind.metrics.isEmpty)
    #expect(items[0].pairs == [TextPair("a", " b"), TextPair("a", "c")])
    #expect(items[2].question == .generation(GenerationQuestion("f", stops: ["\n"], most: 3, right: "")))
    try folder.write("{\"context\": \"a\", \"continuations\": [\"b\"], \"target\": 0}", "s.jsonl")
    #expect(try TaskKind.requests(folder.url.appendingPathComponent("s.jsonl")).kind.metrics == [.accuracy])
    try folder.write("{\"context\": \"a\", \"continuations\": [\"b\"], \"target\": 1}", "t.jsonl")
    #expect(problem { _ = try TaskKind.requests(folder.url.appendingPathComponent("t.jsonl")) }.contains("t.jsonl:1: "))
    try folder.write("{\"context\": \"a\"}", "u.jsonl")
    #expect(
      problem { _ = try TaskKind.requests(folder.url.appendingPathComponent("u.jsonl")) }.hasSuffix(
        "u.jsonl:1: there is neither 'continuations' nor 'until'"))
  }
}

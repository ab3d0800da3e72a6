import Testing

@testable import Tokenizers

/// The hand-written matchers of the pre-tokenizers' patterns, and normalisation.
struct ScannerTests {
  private func pieces(_ text: String, _ steps: [PreTokenizerStep]) -> [String] {
    var text = PreTokenizedText(Array(text.utf8), isFirst: true)
    for step in steps { text.apply(step) }
    return text.pieces.map { String(decoding: text.text[$0], as: UTF8.self) }
  }

  @Test func gpt2Pattern() {
    let steps: [PreTokenizerStep] = [.split(.gpt2)]
    #expect(pieces("I'm  fine, 12345x!", steps) == ["I", "'m", " ", " fine", ",", " 12345", "x", "!"])
    #expect(pieces("I'M\n\n x  ", steps) == ["I", "'", "M", "\n\n", " x", "  "])
    #expect(pieces("a\u{3000}b \u{a0}", steps) == ["a", "\u{3000}", "b", " \u{a0}"])
  }

  @Test func llama3Pattern() {
    let steps: [PreTokenizerStep] = [.split(.llama3)]
    #expect(pieces("I'LL (go) 12345", steps) == ["I", "'LL", " (", "go", ")", " ", "123", "45"])
    #expect(pieces("it'\u{17f} a\tb!\n\n  \n c", steps) == ["it", "'\u{17f}", " a", "\tb", "!\n\n", "  \n", " c"])
    #expect(pieces(" \r\n\t x", steps) == [" \r\n", "\t", " x"])
  }

  @Test func qwen2Pattern() {
    #expect(pieces("x12 3", [.split(.qwen2)]) == ["x", "1", "2", " ", "3"])
  }

  @Test func digits() {
    #expect(pieces("a12²b", [.digits(individual: true)]) == ["a", "1", "2", "²", "b"])
    #expect(pieces("a12²b", [.digits(individual: false)]) == ["a", "12²", "b"])
    let smollm: [PreTokenizerStep] = [.digits(individual: true), .byteLevel(addPrefixSpace: false, useRegex: true)]
    #expect(pieces("x  12 y", smollm) == ["x", "  ", "1", "2", " y"])
  }

  @Test func metaspace() {
    let mark = Array("▁".utf8)
    #expect(pieces("a b  c", [.metaspace(mark: mark, scheme: .always, split: true)]) == ["▁a", "▁b", "▁", "▁c"])
    #expect(pieces(" a", [.metaspace(mark: mark, scheme: .first, split: false)]) == ["▁a"])
    #expect(pieces("a", [.metaspace(mark: mark, scheme: .never, split: true)]) == ["a"])
  }

  @Test func expressionsAreRecognised() {
    for pattern in [WordPattern.gpt2, .llama3, .qwen2] {
      #expect(WordPattern(expression: pattern.expression) == pattern)
    }
    #expect(WordPattern(expression: "\\w+") == nil)
  }

  @Test(
    arguments: [
      ("cafe\u{301}", "caf\u{e9}"), ("e\u{301}\u{323}", "\u{1eb9}\u{301}"), ("\u{1100}\u{1161}\u{11a8}", "\u{ac01}"),
      ("\u{ac00}\u{11a8}x", "\u{ac01}x"), ("\u{212b}", "\u{c5}"), ("\u{344}", "\u{308}\u{301}"),
      ("\u{958}", "\u{915}\u{93c}"), ("A\u{304}\u{308}", "\u{100}\u{308}"), ("\u{301}e", "\u{301}e"),
      ("\u{10041}\u{323}", "\u{10041}\u{323}"), ("\u{1d15e}", "\u{1d157}\u{1d165}"), ("中文", "中文"), ("", ""),
      ("\u{898}\u{323}", "\u{898}\u{323}"),
    ])
  func formC(text: String, expected: String) {
    let composed = NormalizerStep.nfc.apply(to: Array(text.utf8))
    #expect(composed == Array(expected.utf8), "\(text.unicodeScalars.map(\.value))")
  }

  @Test func addedTokensMatchTheLongest() {
    let tokens = ["<a", "<a>", "b"].enumerated().map { AddedToken(id: Int32($0), content: Array($1.utf8)) }
    let matcher = AddedTokenMatcher(tokens)
    let parts = matcher.split(Array("x<a><ab".utf8), parseSpecial: true)
    #expect(parts == [.text(0..<1), .token(1), .token(0), .token(2)])
    #expect(matcher.split(Array("<a>".utf8), parseSpecial: false) == [.text(0..<3)])
  }
}

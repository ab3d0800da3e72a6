import Checkpoints
import Foundation
import Testing

@testable import LanguageModels

@Suite struct FingerprintTests {
  @Test func partsAreDelimited() {
    func text(_ parts: String...) -> String {
      let fingerprint = Fingerprint()
      for part in parts { fingerprint.add(part) }
      return fingerprint.text
    }
    // SHA-256 of eight bytes of length and the text.
    #expect(text("abc") == text("abc") && text("abc").count == 32)
    #expect(text("abc").allSatisfy { $0.isHexDigit && !$0.isUppercase })
    #expect(Set([text("abc"), text("ab", "c"), text("a", "bc"), text("abc", ""), text("", "abc")]).count == 5)
    let tokens = Fingerprint()
    tokens.add(tokens: [1, 2])
    let others = Fingerprint()
    others.add(tokens: [1, 3])
    #expect(tokens.text != others.text)
  }

  @Test func isTheSameForTheSameFiles() throws {
    let first = try Fixture.qwen2Bias.model().fingerprint()
    #expect(try Fixture.qwen2Bias.model().fingerprint() == first)
    #expect(Set(try Fixture.allCases.map { try $0.model().fingerprint() }).count == Fixture.allCases.count)
    #expect(try LanguageModel(Fixture.llama3GQA.gguf).fingerprint() != Fixture.llama3GQA.model().fingerprint())
  }

  @Test func doesNotDependOnTheFolder() throws {
    let (one, two) = (try TemporaryFolder(), try TemporaryFolder())
    #expect(try TinyModel().open(in: one).fingerprint() == TinyModel().open(in: two).fingerprint())
  }

  /// The start, the middle and the end of every tensor are looked at, however large it is.
  @Test func changesWithASampledByte() throws {
    let folder = try TemporaryFolder()
    // An embedding of 16 KiB, so that the samples are apart.
    var tiny = TinyModel(config: ["vocab_size": 256])
    for name in ["model.embed_tokens.weight", "lm_head.weight"] {
      tiny.tensors[name] = .init(shape: [256, 16], values: (0..<4096).map { Float($0 % 13) })
    }
    let original = try tiny.open(in: folder).fingerprint()
    for name in tiny.tensorNames {
      let count = tiny.tensors[name]?.values.count ?? 0
      for place in [0, count / 2, count - 1] {
        var changed = tiny
        changed.tensors[name]?.values[place] += 1
        #expect(try changed.open(in: folder).fingerprint() != original, "\(name), element \(place)")
      }
    }
    try tiny.write(to: folder.url, type: .bf16)
    #expect(try LanguageModel(folder.url).fingerprint() != original)
  }

  /// The same tensors compute something else with other settings.
  @Test func changesWithWhatTheForwardPassReads() throws {
    let folder = try TemporaryFolder()
    let original = try TinyModel().open(in: folder).fingerprint()
    for (key, value) in [
      ("rope_theta", 200.0), ("rms_norm_eps", 1e-6), ("rope_scaling", ["type": "linear", "factor": 2.0]),
    ] as [(String, JSONValue)] {
      #expect(try TinyModel(config: [key: value]).open(in: folder).fingerprint() != original, "\(key)")
    }
    // What only the tokenizer reads does not matter.
    #expect(try TinyModel(config: ["bos_token_id": 3]).open(in: folder).fingerprint() == original)
  }
}

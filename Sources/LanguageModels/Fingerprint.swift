import Checkpoints
import Crypto
import Foundation

/// SHA-256 over a sequence of labelled parts, written as the first 32 hexadecimal digits.
public struct Fingerprint {
  private var hash = SHA256()

  public init() {}

  public mutating func add(_ text: String) {
    let bytes = Array(text.utf8)
    add(count: bytes.count)
    hash.update(data: bytes)
  }

  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    add(count: bytes.count)
    hash.update(bufferPointer: bytes)
  }

  public mutating func add(tokens: [Int32]) { tokens.withUnsafeBytes { add($0) } }

  private mutating func add(count: Int) {
    withUnsafeBytes(of: UInt64(count).littleEndian) { hash.update(bufferPointer: $0) }
  }

  public var text: String {
    hash.finalize().prefix(16).map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }
}

extension LanguageModel {
  /// Identifies the weights and what is computed with them: the settings of the forward pass, and name, type, shape and
  /// up to three 4 KiB samples (start, middle, end) of every tensor.
  ///
  /// Sampling keeps this instant for models of any size. Two checkpoints that differ only between the samples would
  /// share a fingerprint; a retrained, converted or quantised model never does.
  public func fingerprint() throws -> String {
    var fingerprint = Fingerprint()
    let sample = 4096
    let settings = configuration
    fingerprint.add(
      "\(settings.layers) \(settings.rotary) \(settings.normEpsilon) \(settings.slidingWindow.map(String.init) ?? "-")")
    for name in checkpoint.tensorNames.sorted() {
      let tensor = try checkpoint.tensor(name)
      fingerprint.add("\(name) \(tensor.type.name) \(tensor.shape)")
      let bytes = tensor.bytes
      for start in [0, bytes.count / 2, max(0, bytes.count - sample)] {
        fingerprint.add(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + sample, bytes.count)]))
      }
    }
    return fingerprint.text
  }
}

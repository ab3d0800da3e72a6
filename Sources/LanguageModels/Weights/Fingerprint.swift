import Checkpoints
import Foundation
import Runtime

/// SHA-256 over a sequence of labelled parts, written as the first 32 hexadecimal digits.
public final class Fingerprint {
  private let hash = SHA256()

  public init() {}

  public func add(_ text: String) { Array(text.utf8).withUnsafeBytes { add($0) } }

  public func add(_ bytes: UnsafeRawBufferPointer) {
    withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { hash.update($0) }
    hash.update(bytes)
  }

  public func add(tokens: [Int32]) { tokens.withUnsafeBytes { add($0) } }

  public var text: String { String(hash.hexadecimal.prefix(32)) }
}

extension LanguageModel {
  /// Identifies the weights and what is computed with them: the settings of the forward pass, and name, type, shape and
  /// up to three 4 KiB samples (start, middle, end) of every tensor.
  ///
  /// Sampling keeps this instant for models of any size. Two checkpoints that differ only between the samples would
  /// share a fingerprint; a retrained, converted or quantised model never does.
  public func fingerprint() throws -> String {
    let fingerprint = Fingerprint()
    let sample = 4096
    let settings = configuration
    fingerprint.add(
      "\(settings.layers) \(settings.attentionKinds) \(settings.block.attention) \(settings.block.activation) "
        + "\(settings.normEpsilon) \([settings.block.scoreScale, settings.block.scoreCap, settings.logitCap]) "
        + "\(settings.embeddingScale)")
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

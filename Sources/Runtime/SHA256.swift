import CCrypto

/// SHA-256 of bytes that come in pieces (FIPS 180-4), computed by the system's libcrypto.
public final class SHA256 {
  private let context: OpaquePointer

  public init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      preconditionFailure("libcrypto has no SHA-256")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  public func update(_ bytes: UnsafeRawBufferPointer) {
    let succeeded = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1
    precondition(succeeded, "libcrypto could not take \(bytes.count) bytes")
  }

  /// The 64 hexadecimal digits of the digest so far; more bytes may follow.
  public var hexadecimal: String {
    guard let copy = EVP_MD_CTX_new() else { preconditionFailure("libcrypto is out of memory") }
    defer { EVP_MD_CTX_free(copy) }
    var digest = [UInt8](repeating: 0, count: 32)
    let succeeded = EVP_MD_CTX_copy_ex(copy, context) == 1 && EVP_DigestFinal_ex(copy, &digest, nil) == 1
    precondition(succeeded, "libcrypto could not end a digest")
    return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

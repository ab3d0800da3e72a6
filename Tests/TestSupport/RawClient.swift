import Foundation

/// A client that sends bytes as they are, also such that are no HTTP.
public final class RawClient {
  private let descriptor: Int32
  /// What came behind the last answer.
  private var rest: [UInt8] = []

  /// - Parameter receiveBytes: bytes that the system keeps for it unread, about; `nil` for as many as usual.
  /// - Returns: `nil` where nobody listens.
  public init?(port: Int, receiveBytes: Int32? = nil) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var receiveBytes {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    // Nothing waits for ever.
    var limit = timeval(tv_sec: 60, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    if connected != 0 { return nil }
  }

  deinit { close(descriptor) }

  /// Sends as much as is taken.
  public func send(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if count <= 0 { return }
      bytes = bytes.dropFirst(count)
    }
  }

  public func post(_ body: String, to path: String = "/v1/completions", more: String = "") {
    send("POST \(path) HTTP/1.1\r\nHost: here\r\nContent-Length: \(body.utf8.count)\r\n\(more)\r\n\(body)")
  }

  /// Reads an answer: its status and body. A connection that ends without one gives status 0.
  public func answer() -> (status: Int, head: String, body: String) {
    var bytes = rest
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      if let (head, body) = Self.parts(bytes) {
        let status = head.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let lengths = head.lowercased().components(separatedBy: "content-length: ").dropFirst().first
        let length = lengths.flatMap { Int($0.prefix(while: \.isNumber)) } ?? 0
        let isChunked = head.lowercased().contains("transfer-encoding: chunked")
        if isChunked, let (whole, behind) = Self.joined(body) {
          rest = Array(behind)
          return (status, head, String(decoding: whole, as: UTF8.self))
        }
        if !isChunked, body.count >= length {
          rest = Array(body.dropFirst(length))
          return (status, head, String(decoding: body.prefix(length), as: UTF8.self))
        }
      }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count <= 0 { return (0, "", "") }
      bytes += buffer[..<count]
    }
  }

  /// Reads until the connection ends.
  public func untilEnd() -> String {
    var bytes = rest
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }

  /// A body of chunks, and what follows it; `nil` if its end has not come.
  private static func joined(_ bytes: ArraySlice<UInt8>) -> (body: [UInt8], behind: ArraySlice<UInt8>)? {
    var (body, left) = ([UInt8](), bytes)
    while let line = left.firstIndex(of: 0x0A) {
      let digits = String(decoding: left[..<line], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
      guard let count = Int(digits, radix: 16), left.endIndex >= line + 1 + count + 2 else { return nil }
      body += left[(line + 1)..<(line + 1 + count)]
      left = left[(line + 1 + count + 2)...]
      if count == 0 { return (body, left) }
    }
    return nil
  }

  private static func parts(_ bytes: [UInt8]) -> (head: String, body: ArraySlice<UInt8>)? {
    let end = Array("\r\n\r\n".utf8)
    guard bytes.count >= end.count,
      let place = (0...bytes.count - end.count).first(where: { bytes[$0...].starts(with: end) })
    else { return nil }
    return (String(decoding: bytes[..<place], as: UTF8.self), bytes[(place + end.count)...])
  }
}

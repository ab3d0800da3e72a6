import ArgumentParser
import Foundation

/// Where commands write: results to standard output, everything else to standard error.
enum Console {
  /// - Parameter kept: what is safe on disk although it cannot be printed, such as `the checkpoint is in OUT`.
  /// - Throws: `OutputError`, or `ExitCode` where the reader went away (`nas-search report … | head -1`).
  static func print(_ text: String, kept: String? = nil) throws { try write(text + "\n", kept: kept) }

  static func json(_ data: Data, kept: String? = nil) throws {
    let text = String(decoding: data, as: UTF8.self)
    try write(text.hasSuffix("\n") ? text : text + "\n", kept: kept)
  }

  static func note(_ text: String) { raw(text + "\n") }

  static func warn(_ text: String) { note("warning: \(text)") }

  /// There is nobody to tell where standard error cannot be written.
  static func raw(_ text: String) { _ = send(text, to: STDERR_FILENO) }

  static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }
  static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

  /// Columns of the terminal behind a descriptor; 120 where there is none.
  static func width(_ descriptor: Int32) -> Int {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 120
  }

  /// What a shell reports of a program that a closed pipe ended: 128 and the number of SIGPIPE.
  static let readerIsGone = ExitCode(128 + SIGPIPE)

  private static func write(_ text: String, kept: String?) throws {
    let code = send(text, to: STDOUT_FILENO)
    if code == 0 { return }
    if code == EPIPE { throw readerIsGone }
    throw OutputError(reason: code == EBADF ? "it is closed" : String(cString: strerror(code)), kept: kept)
  }

  /// - Returns: 0 when all was written, else the system's error.
  private static func send(_ text: String, to descriptor: Int32) -> Int32 {
    var text = text
    return text.withUTF8 { bytes in
      var sent = 0
      while sent < bytes.count {
        let count = Foundation.write(descriptor, bytes.baseAddress.map { $0 + sent }, bytes.count - sent)
        if count > 0 {
          sent += count
        } else if errno == EAGAIN {
          // A pipe that another program set not to block.
          var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          poll(&wait, 1, -1)
        } else if errno != EINTR {
          return errno
        }
      }
      return 0
    }
  }
}

/// Standard output could not be written.
struct OutputError: Error, CustomStringConvertible {
  let reason: String
  /// What is safe on disk all the same.
  let kept: String?

  var description: String { "cannot write standard output: \(reason)" + (kept.map { "; \($0)" } ?? "") }
}

/// The three descriptors that every program is given, or not.
enum StandardStreams {
  /// Fills those that are closed: the next file to be opened would take their number, and get what is meant for them.
  ///
  /// Behind a closed output comes what cannot be written, so that this shows; errors then go nowhere. Also, writing to
  /// what has gone away, or past a limit of the system, is an error and no signal.
  static func secure() {
    for (descriptor, mode) in [(STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_WRONLY)]
    where fcntl(descriptor, F_GETFD) < 0 {
      let opened = open("/dev/null", mode)
      if opened >= 0 && opened != descriptor {
        dup2(opened, descriptor)
        close(opened)
      }
    }
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }
}

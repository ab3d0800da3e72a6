import Foundation

/// Where commands write: results to standard output, everything else to standard error.
enum Console {
  static func print(_ text: String) { write(text + "\n", to: .standardOutput) }

  static func note(_ text: String) { write(text + "\n", to: .standardError) }

  static func warn(_ text: String) { note("warning: \(text)") }

  static func raw(_ text: String) { write(text, to: .standardError) }

  static func json(_ data: Data) {
    write(String(decoding: data, as: UTF8.self), to: .standardOutput)
    if data.last != UInt8(ascii: "\n") { write("\n", to: .standardOutput) }
  }

  static var errorIsTerminal: Bool { isatty(2) == 1 }
  static var outputIsTerminal: Bool { isatty(1) == 1 }

  /// Columns of the terminal behind a descriptor; 120 where there is none.
  static func width(_ descriptor: Int32) -> Int {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 120
  }

  /// A reader that went away (`nas-search report … | head`) is no error of ours.
  private static func write(_ text: String, to handle: FileHandle) {
    try? handle.write(contentsOf: Data(text.utf8))
  }
}

import Foundation

/// Keeps addresses of servers, which may hold passwords, out of what is printed about a command line.
enum Passwords {
  /// What stands in the place of an address.
  static let mark = "…"

  /// A text without the arguments in it that may hold a password, however it is spelled.
  static func hidden(in text: String, arguments: [String]) -> String {
    // `--study=ADDRESS` is repeated whole or from its value on. The longest first, since one may hold another.
    let spellings = arguments.flatMap { argument in
      [argument] + (argument.firstIndex(of: "=").map { [String(argument[argument.index(after: $0)...])] } ?? [])
    }
    return spellings.filter(mayHoldOne).sorted { $0.count > $1.count }.reduce(text) { text, spelling in
      text.replacingOccurrences(of: spelling, with: mark)
    }
  }

  /// Whether a word is an address with credentials, or a list of connection options with a password.
  static func mayHoldOne(_ word: String) -> Bool {
    let plain = (word.removingPercentEncoding ?? word).lowercased()
    if ["password", "passwd", "pwd=", "secret"].contains(where: plain.contains) && plain.contains("=") { return true }
    return plain.contains("@") && plain.contains(":")
  }
}

/// A text as separate documents, for filters.
public enum TextDocuments {
  /// The separator between documents that are joined to one text.
  public static let separator = "\n\n"

  /// The documents of a source: its records, or the paragraphs of a plain text.
  ///
  /// - Throws: `CalibrationError` as `TextCorpus.read` does. The model as a source has no documents.
  public static func read(_ source: CalibrationSource) throws -> [String] {
    switch try TextCorpus.content(of: source) {
    case .text(let text): paragraphs(text)
    case .records(let texts): texts
    }
  }

  /// The parts of a text between blank lines, which hold only spaces, tabs and carriage returns. Lines end with `\n` or
  /// `\r\n`; within a paragraph they are joined by `\n`.
  public static func paragraphs(_ text: String) -> [String] {
    var paragraphs: [String] = []
    var lines: [Substring] = []
    func close() {
      if !lines.isEmpty { paragraphs.append(lines.joined(separator: "\n")) }
      lines = []
    }
    // Works on bytes: in Swift "\r\n" is one character, which is not "\n".
    for line in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      if line.allSatisfy({ $0 == 32 || $0 == 9 || $0 == 13 }) {
        close()
      } else {
        lines.append(Substring(line.last == 13 ? line.dropLast() : line))
      }
    }
    close()
    return paragraphs
  }
}

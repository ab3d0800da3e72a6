/// Reads pages back as far as tests need it.
enum PageReading {
  /// Values of an attribute, wherever it stands.
  static func values(of attribute: String, in page: String) -> [Substring] {
    page.components(separatedBy: " \(attribute)=\"").dropFirst().compactMap { rest in
      rest.prefix { $0 != "\"" }
    }
  }

  /// The first element that is closed out of turn or left open; nil if all elements nest. Script and style are skipped.
  static func unbalanced(_ page: String) -> String? {
    var open: [Substring] = []
    var rest = Substring(page)
    while let start = rest.firstIndex(of: "<") {
      rest = rest[start...].dropFirst()
      guard let end = rest.firstIndex(of: ">") else { return String(rest.prefix(40)) }
      let tag = rest[..<end]
      rest = rest[end...].dropFirst()
      let name = tag.prefix { $0.isLetter || $0.isNumber || $0 == "/" || $0 == "!" }
      if name.hasPrefix("/") {
        guard open.popLast() == name.dropFirst() else { return String(tag) }
      } else if !["!doctype", "meta", "link", "br"].contains(name) {
        open.append(name)
        if name == "script" || name == "style", let close = rest.range(of: "</\(name)>") {
          rest = rest[close.lowerBound...]
        }
      }
    }
    return open.first.map(String.init)
  }
}

import Foundation

/// What every page has around its content: a head that forbids any request, and sections with headings.
enum PageShell {
  /// A whole document.
  ///
  /// - Parameters:
  ///   - title: text of the `title` element.
  ///   - style: content of the `style` element.
  static func document(title: String, style: String, _ body: Markup) -> Data {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    let head = Markup.element(
      "head", [:],
      .element("meta", ["charset": "utf-8"]),
      .element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
      .element("meta", ["http-equiv": "Content-Security-Policy", "content": policy]),
      .element("meta", ["name": "color-scheme", "content": "light dark"]),
      .element("link", ["rel": "icon", "href": "data:,"]),
      .element("title", [:], Markup(title)),
      .element("style", [:], Markup(raw: "\n" + style + "\n")))
    return Data(("<!doctype html>\n" + Markup.element("html", ["lang": "en"], head, body).source).utf8)
  }

  /// - Parameter isHidden: until the script shows it.
  static func section(_ id: String, _ title: String, _ content: [Markup], isHidden: Bool = false) -> Markup {
    .element(
      "section", ["id": id, "aria-labelledby": "\(id)-title", "hidden": isHidden ? "hidden" : nil],
      [.element("h2", ["id": "\(id)-title"], Markup(title))] + content)
  }

  /// A command line in a box; the script adds a button that copies it.
  static func command(_ text: String, id: String? = nil) -> Markup {
    .element("div", ["class": "command"], .element("pre", ["id": id, "tabindex": "0"], Markup(text)))
  }

  /// What may be wider than the screen.
  static func scroll(_ label: String, _ content: Markup...) -> Markup {
    .element("div", ["class": "scroll", "role": "region", "aria-label": label, "tabindex": "0"], content)
  }

  static func table(class name: String, head: [Markup], rows: [Markup]) -> Markup {
    .element(
      "table", ["class": name], .element("thead", [:], .element("tr", [:], head)), .element("tbody", [:], rows))
  }

  static func note(_ text: Markup) -> Markup { .element("p", ["class": "note"], text) }

  /// Names with their explanations.
  static func definitions(_ entries: [(name: String, text: String)]) -> Markup {
    .element(
      "dl", ["class": "methods"],
      entries.map {
        .element("div", [:], .element("dt", [:], Markup($0.name)), .element("dd", [:], Markup(prose: $0.text)))
      })
  }
}

/// The tables, lists and notes of a comparison's page.
struct ComparisonSections {
  var comparison: MethodComparison

  /// The best method for every text and size.
  var winners: Markup {
    let head = ["text"] + comparison.keepTargets.map { "\(ComparisonGrid.size($0)) kept" }
    let rows = comparison.texts.indices.map { text in
      let cells = WinnersTable.entries(comparison, text: text).map { entry -> Markup in
        guard let entry else { return Markup.element("td", [:], Markup(NumberText.unknown)) }
        return Markup.element(
          "td", [:], Markup(entry.method), .element("br"), .element("span", ["class": "part"], Markup(entry.numbers)))
      }
      let name = Markup.element("th", ["scope": "row"], Markup(WinnersTable.label(comparison.texts[text])))
      return Markup.element("tr", [:], [name] + cells)
    }
    return table("Best method", head: head, rows: rows)
  }

  var tables: Markup {
    let grids = ComparisonGrid.all(comparison).map { grid in
      .element("h3", [:], Markup(prose: grid.title))
        + table(
          grid.title, head: ["method"] + grid.columns.map { "\($0) kept" },
          rows: grid.rows.map { row in
            .element(
              "tr", [:],
              [.element("th", ["scope": "row"], Markup(row.method))] + row.entries.map { cell($0, grid.separator) })
          })
    }
    return grids.joined() + failures
  }

  /// What the methods are, one entry each.
  var methods: Markup {
    let entries = comparison.methods.map { method in
      let settings = method.settings.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
      let facts =
        [method.source, method.usesGradients ? "needs gradients" : "no gradients"] + settings
      return Markup.element(
        "div", [:], .element("dt", [:], Markup(method.name)), .element("dd", [:], Markup(prose: method.summary)),
        .element("dd", ["class": "note"], Markup(facts.joined(separator: " · "))))
    }
    return .element("dl", ["class": "methods"], entries)
  }

  var notes: Markup { PageShell.definitions(entries) }

  // MARK: Tables

  private func table(_ label: String, head: [String], rows: [Markup]) -> Markup {
    let headings = head.enumerated().map { index, text in
      Markup.element("th", ["scope": "col", "class": index == 0 ? "left" : nil], Markup(prose: text))
    }
    return PageShell.scroll(label, PageShell.table(class: "front grid", head: headings, rows: rows))
  }

  private func cell(_ entry: ComparisonGrid.Entry, _ separator: String) -> Markup {
    if let failure = entry.failure {
      return .element("td", ["class": "failed", "title": failure], "failed")
    }
    guard let first = entry.parts.first else { return .element("td") }
    guard separator == " ", entry.parts.count > 1 else {
      let text = Markup(prose: entry.parts.joined(separator: separator))
      return .element("td", ["class": entry.isBest ? "best" : nil], text + mark(entry))
    }
    let rest = Markup.element("span", ["class": "part"], Markup(entry.parts.dropFirst().joined(separator: separator)))
    return .element(
      "td", ["class": entry.isBest ? "best" : nil], Markup(first) + Markup("\u{00A0}") + rest + mark(entry))
  }

  /// The best of a column has a star, so that it is not told by colour alone.
  private func mark(_ entry: ComparisonGrid.Entry) -> Markup {
    entry.isBest ? .element("abbr", ["title": "best of its column"], "*") : .empty
  }

  private var failures: Markup {
    ComparisonGrid.failures(comparison).map { PageShell.note(Markup($0)) }.joined()
  }

  // MARK: Notes

  private var entries: [(name: String, text: String)] {
    let stages = comparison.stages.map { stage in
      "\(stage.name) \(NumberText.duration(stage.seconds))"
        + (stage.peakBytes.map { ", peak \(NumberText.bytes($0))" } ?? "")
    }
    let shared =
      stages.isEmpty
      ? ""
      : " Contained in the scores of every method that needs it, though computed once: \(stages.joined(separator: "; "))."
    return [
      (
        "Same conditions",
        "Every method saw the same calibration (\(comparison.calibration)), was asked for the same sizes and was "
          + "measured on the same windows. No method trained any weight."
      ),
      (
        "Share kept",
        "Parameters of the decoder blocks that are left, divided by the dense model’s. Embeddings, the final norm and "
          + "the output head are not pruned. Columns are what was asked for; charts show what was reached."
      ),
      (
        "Perplexity",
        "The exponential of the mean negative log-likelihood of the next token. “×” is the multiple of the dense "
          + "model’s on the same windows: 1 is as good as dense. Compare only within a text."
      ),
      (
        "KL to dense",
        "The Kullback–Leibler divergence from the dense model’s next-token distribution to the pruned model’s, in nats, "
          + "averaged over held-out windows that no method was calibrated on."
      ),
      (
        "Seconds and memory",
        "Wall clock of each method as if it ran alone: its score, its choice of widths, its repair.\(shared) Memory is the "
          + "largest resident size of the process, with all that it keeps for other methods."
      ),
      (
        "Best",
        "A star marks the lowest value of a column, however small its lead: there are no error bars, and one choice of "
          + "calibration windows is one draw."
      ),
    ]
  }
}

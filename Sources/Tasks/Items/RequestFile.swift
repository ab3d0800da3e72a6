import Foundation

extension TaskKind {
  /// Questions of another program, one JSON object in each line: `context` and `continuations`, and perhaps the index `target` of the
  /// right one; or `context` and `until`, the texts before which a continuation ends, and perhaps `max_tokens`.
  ///
  /// Continuations are taken as they are written: nothing is put between them and the context. If every line has a target, `acc` is
  /// measured.
  public static func requests(_ url: URL) throws -> (kind: TaskKind, items: [TaskItem]) {
    let items = try TaskRow.rows(of: url).map(request)
    let hasTargets = items.allSatisfy { item in
      if case .choice(_, _, .some) = item.question { true } else { false }
    }
    let kind = TaskKind(url.lastPathComponent, source: url.path, metrics: hasTargets ? [.accuracy] : []) { _ in items }
    return (kind, items)
  }

  private static func request(_ row: TaskRow) throws -> TaskItem {
    let context = try row.string("context")
    guard row.has("continuations") else {
      guard row.has("until") else {
        throw TaskError.unusable(row.place, "there is neither 'continuations' nor 'until'")
      }
      let most = row.has("max_tokens") ? try row.integer("max_tokens") : GenerationQuestion.standardTokens
      guard most > 0 else {
        throw TaskError.unusable(row.place, "'max_tokens' is \(most), which leaves nothing to write")
      }
      return TaskItem(
        row.place, .generation(GenerationQuestion(context, stops: try row.strings("until"), most: most, right: "")))
    }
    let texts = try row.strings("continuations")
    guard !texts.isEmpty else { throw TaskError.unusable(row.place, "'continuations' is empty") }
    let right = row.has("target") ? try row.integer("target") : nil
    if let right { try TaskItem.check(right, of: texts, row.place) }
    return TaskItem(row.place, .choice(texts.map { TextPair(context, $0) }, texts: texts, right: right))
  }
}

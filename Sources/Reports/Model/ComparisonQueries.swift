/// What the renderings of a comparison ask of it.
extension MethodComparison {
  /// The best method on one text at one size.
  struct Winner {
    /// Index into `texts`.
    var text: Int
    var keepTarget: Double
    /// Name of the method.
    var method: String
    var perplexity: Double
    /// Perplexity as a multiple of the dense model's; nil where that is not a positive number.
    var ratioToDense: Double?
  }

  /// The sizes that were asked for, largest first.
  public var keepTargets: [Double] { Set(cells.map(\.keepTarget)).sorted(by: >) }

  /// The cell of a method at a size; the last one where it was measured again.
  public func cell(_ method: String, _ keepTarget: Double) -> Cell? {
    cells.last { $0.method == method && $0.keepTarget == keepTarget }
  }

  /// Perplexity on a text, as measured: it may be infinite or NaN. Nil where the cell failed or lacks the text.
  public func perplexity(_ cell: Cell, text: Int) -> Double? {
    cell.failure == nil && cell.perplexities.indices.contains(text) ? cell.perplexities[text] : nil
  }

  /// Perplexity as a multiple of the dense model's; nil where either is not known.
  public func ratioToDense(_ cell: Cell, text: Int) -> Double? {
    guard let own = perplexity(cell, text: text), texts.indices.contains(text) else { return nil }
    let dense = texts[text].densePerplexity
    return dense > 0 && dense.isFinite ? own / dense : nil
  }

  /// The cell with the least finite value at a size, the first in order of methods among equals.
  func best(_ keepTarget: Double, by value: (Cell) -> Double?) -> Cell? {
    let measured = methods.compactMap { method -> (cell: Cell, value: Double)? in
      guard let cell = cell(method.name, keepTarget), cell.failure == nil, let value = value(cell), value.isFinite
      else { return nil }
      return (cell, value)
    }
    return measured.min { $0.value < $1.value }?.cell
  }

  /// The best method for every text and size, text by text, largest size first. A text and size on which no method has
  /// a finite perplexity has no winner.
  var winners: [Winner] {
    let targets = keepTargets
    return texts.indices.flatMap { text in
      targets.compactMap { target -> Winner? in
        guard let cell = best(target, by: { perplexity($0, text: text) }), let value = perplexity(cell, text: text)
        else { return nil }
        return Winner(
          text: text, keepTarget: target, method: cell.method, perplexity: value,
          ratioToDense: ratioToDense(cell, text: text))
      }
    }
  }
}

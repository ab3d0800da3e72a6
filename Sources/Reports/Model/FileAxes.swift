import Evaluation
import Search

/// What was measured of files, as axes of charts and columns of tables.
extension StudyReport {
  static let fileBytesAxis = ObjectiveDescription(
    name: "file_bytes", title: "bytes of the file", unit: "bytes",
    summary: "Bytes of the exported file; of a folder those of its tensors.", style: .bytes, direction: .minimize,
    isSize: true)
  static let promptAxis = ObjectiveDescription(
    name: "prompt_speed", title: "prompt", unit: "tokens/s",
    summary: "Tokens of a prompt that llama.cpp reads in a second.", style: .plain, direction: .maximize, isSize: true)
  static let generationAxis = ObjectiveDescription(
    name: "generation_speed", title: "answer", unit: "tokens/s",
    summary: "Tokens of an answer that llama.cpp writes in a second.", style: .plain, direction: .maximize,
    isSize: true)
  static let residentAxis = ObjectiveDescription(
    name: "resident_bytes", title: "memory", unit: "bytes",
    summary: "Resident memory of a process in which llama.cpp has read the prompt and written the answer.",
    style: .bytes, direction: .minimize, isSize: true)

  /// A column of the tables of files, or an axis.
  struct FileColumn: Sendable {
    var axis: ObjectiveDescription
    /// Whether tables show it; axes are all.
    var isShown = true
    var value: @Sendable (MeasuredFile) -> Double?
    /// A standard error or a spread, in the unit of the value.
    var error: @Sendable (MeasuredFile) -> Double? = { _ in nil }
  }

  /// Everything measured of at least one file.
  var fileColumns: [FileColumn] {
    let speed = [
      FileColumn(axis: Self.promptAxis, value: { $0.speed?.prompt }, error: { $0.speed?.promptSpread }),
      FileColumn(axis: Self.generationAxis, value: { $0.speed?.generation }, error: { $0.speed?.generationSpread }),
      FileColumn(axis: Self.residentAxis, value: { $0.speed?.residentBytes.map(Double.init) }),
    ]
    let bytes = FileColumn(axis: Self.fileBytesAxis, value: { Double($0.bytes) })
    let columns = [bytes] + textColumns + taskColumns + speed
    return columns.filter { column in files.contains { column.value($0) != nil } }
  }

  private var textColumns: [FileColumn] {
    let texts = files.flatMap(\.texts).reduce(into: [MeasuredFile.Text]()) { known, text in
      if !known.contains(where: { $0.isLike(text) }) { known.append(text) }
    }
    return texts.flatMap { text -> [FileColumn] in
      let isOnly = texts.count { $0.name == text.name } == 1
      let place = isOnly ? text.name : "\(text.name):\(text.window):\(text.windows)"
      func column(
        _ axis: ObjectiveDescription, isShown: Bool = true, _ value: @escaping @Sendable (MeasuredFile.Text) -> Double?
      ) -> FileColumn {
        var axis = axis
        (axis.name, axis.title) = ("\(axis.name)@\(place)", "\(axis.title) on \(place)")
        axis.summary = "On \(text.windows) windows of \(text.window) tokens of \(text.name)."
        return FileColumn(axis: axis, isShown: isShown) { $0.texts.first { $0.isLike(text) }.flatMap(value) }
      }
      return [
        column(KLDivergence.kl.description) { $0.kl }, column(TokenPerplexity.perplexity.description) { $0.perplexity },
        column(TopOne.topOne.description, isShown: false) { $0.top1Agreement },
      ]
    }
  }

  private var taskColumns: [FileColumn] {
    let tasks = files.flatMap(\.tasks).reduce(into: [MeasuredFile.Task]()) { known, task in
      if !known.contains(where: { $0.isLike(task) }) { known.append(task) }
    }
    return tasks.map { task in
      let isOnly = tasks.count { ($0.task, $0.metric) == (task.task, task.metric) } == 1
      let items = isOnly ? "" : ":\(task.items ?? 0)"
      let means = tasks.filter { $0.task == "mean" }
      let number = means.firstIndex { $0.isLike(task) }
      let axis = ObjectiveDescription(
        name: number.map { $0 == 0 ? "mean" : "mean:\($0 + 1)" } ?? "\(task.task):\(task.metric)\(items)",
        title: number == nil ? "\(task.task) \(task.metric)\(items)" : "mean of tasks", unit: "",
        summary: number == nil
          ? "\(task.metric) of \(task.items ?? 0) items of \(task.task)." : "The mean of \(task.metric).",
        style: task.isShare ? .share : .large, direction: task.isHigherBetter ? .maximize : .minimize, isSize: false)
      return FileColumn(
        axis: axis, isShown: task.isPrimary, value: { $0.tasks.first { $0.isLike(task) }?.value },
        error: { $0.tasks.first { $0.isLike(task) }?.error })
    }
  }

  /// What charts draw over the bytes of files: KL on the first text, else its perplexity, else a mean over tasks or a task; of what
  /// most files have.
  var fileQuality: ObjectiveDescription? {
    let candidates = fileColumns.filter { !$0.axis.isSize && $0.isShown }
    func count(_ column: FileColumn) -> Int { files.count { column.value($0) != nil } }
    let most = candidates.map(count).max() ?? 0
    return candidates.first { count($0) == most && most > 1 }?.axis
  }

  /// Bytes and quality of files; `nil` where fewer than two compare.
  var fileAxes: AxisPair? { fileQuality.map { AxisPair(x: Self.fileBytesAxis, y: $0) } }

  /// `point 3, best`, `evaluation 17` (which the front lacks) or `dense`.
  func name(of file: MeasuredFile) -> String {
    guard let trial = file.trial else { return "dense" }
    let point = front.first { $0.trial == trial }
    return point.map(PointWords.name) ?? "evaluation \(trial)"
  }

  /// `3 q4_k_m`: the point's number, where it has one, and the type.
  func label(of file: MeasuredFile) -> String {
    guard let trial = file.trial else { return file.weights }
    let point = front.first { $0.trial == trial }
    return (point.map { "\($0.index)" } ?? "(\(trial))") + " " + file.weights
  }

  /// What is known of the file, as values of axes: its own, and what its point's widths decide.
  func values(of file: MeasuredFile) -> [String: Double] {
    let sizes = (objectives + observed).filter(\.isSize)
    let point = front.first { $0.trial == file.trial }
    let measured = file.trial == nil ? dense : point?.measurement
    var values = sizes.reduce(into: [String: Double]()) { $0[$1.name] = measured?.values[$1.name] }
    values[Self.keptAxis.name] = measured?.keepRatio
    values[Self.totalAxis.name] = file.tokens == nil ? measured.map { Double($0.parametersTotal) } : nil
    for column in fileColumns { values[column.axis.name] = column.value(file) }
    return values
  }
}

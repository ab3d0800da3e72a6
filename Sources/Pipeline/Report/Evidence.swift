import Checkpoints
import Foundation
import LanguageModels
import Reports
import Studies
import Subnets

/// What was measured behind a search of the study's exports and of its dense model: documents of `evaluate --json` and of
/// `Tools/speed_llama_cpp.py`, each matched with the study by the record of the export.
struct Evidence {
  private(set) var files: [MeasuredFile] = []
  private(set) var conditions: SpeedConditions?

  private let study: String
  private let model: ModelSummary
  /// Widths of the study's trials by their numbers.
  private let widths: [Int: [LayerWidths]]
  /// Perplexity of the study's dense model on a text, and the document that says so.
  private var dense: [(text: MeasuredFile.Text, path: String)] = []

  /// - Parameter widths: of the trials of the study by their numbers.
  init(study: String, model: ModelSummary, widths: [Int: [LayerWidths]]) {
    (self.study, self.model, self.widths) = (study, model, widths)
  }

  /// Reads documents, those of texts and tasks first: they say what a file without a record is.
  ///
  /// - Throws: `PipelineError.damaged` that names the document and why it is no evidence of this study.
  mutating func read(_ paths: [String]) throws {
    let documents = try paths.map { ($0, try Self.document($0)) }
    for (path, document) in documents {
      if case .evaluation(let found) = document { try add(found, path) }
    }
    for (path, document) in documents {
      if case .speed(let found) = document { try add(found, path) }
    }
    let places = files.enumerated().sorted { one, other in
      (other.element.bytes, one.offset) < (one.element.bytes, other.offset)
    }
    files = places.map(\.element)
  }

  // MARK: Documents

  private enum Document {
    case evaluation(EvaluationDocument)
    case speed(SpeedDocument)
  }

  private struct Header: Decodable {
    let schema: String?
    let version: Int?
  }

  private static let mostBytes = 64 << 20

  private static func document(_ path: String) throws -> Document {
    let url = URL(fileURLWithPath: path)
    guard let size = try? url.resourceValues(forKeys: [.fileSizeKey]).fileSize else {
      throw PipelineError.damaged(path: path, problem: "there is no file of this name")
    }
    guard size <= mostBytes, let data = try? Data(contentsOf: url),
      let header = try? StoredJSON.decoder().decode(Header.self, from: data)
    else {
      throw PipelineError.damaged(
        path: path,
        problem: "this is no evidence: it is to be JSON of evaluate --json or of Tools/speed_llama_cpp.py")
    }
    do {
      switch (header.schema, header.version) {
      case (EvaluationDocument.schema, 1):
        return .evaluation(try StoredJSON.decoder().decode(EvaluationDocument.self, from: data))
      case (SpeedDocument.schema, 1): return .speed(try StoredJSON.decoder().decode(SpeedDocument.self, from: data))
      case (let schema, let version):
        throw PipelineError.damaged(
          path: path,
          problem:
            "'\(schema ?? "")', version \(version ?? 0), is no evidence: that is \(EvaluationDocument.schema) or "
            + "\(SpeedDocument.schema), version 1")
      }
    } catch let error as DecodingError {
      throw PipelineError.damaged(path: path, problem: DecodingWords.text(error))
    }
  }

  private mutating func add(_ document: EvaluationDocument, _ path: String) throws {
    let model = document.model
    func fail(_ problem: String) -> PipelineError { .damaged(path: path, problem: problem) }
    guard let fingerprint = model.fingerprint, let bytes = model.bytes, bytes > 0, let weights = model.weights else {
      throw fail("it does not say which checkpoint was measured: make it anew with this version's evaluate --json")
    }
    if let dense = document.dense, dense.fingerprint != self.model.fingerprint {
      throw fail(
        "it compares with another dense model (\(dense.path), fingerprint \(dense.fingerprint ?? "unknown")) than that of "
          + "the study (\(self.model.name), \(self.model.fingerprint))")
    }
    var file = MeasuredFile(
      name: Self.name(model.path), trial: try trial(model.origin, fingerprint: fingerprint, name: model.path, fail),
      weights: weights, repair: model.origin?.repair, tokens: model.origin?.tokens, bytes: bytes,
      identity: model.sha256 ?? fingerprint)
    for measured in document.measurements ?? [] {
      guard let text = measured.text, text.perplexity > 0, text.window > 1, text.windows > 0 else {
        throw fail("its perplexity on \(measured.file) is no positive number")
      }
      file.texts.append(text)
      try checkDense(measured, text, path, fail)
    }
    file.tasks = (document.tasks ?? []).flatMap(\.results)
    file.tasks += (document.means ?? []).enumerated().compactMap { $1.result(isFirst: $0 == 0) }
    guard !file.texts.isEmpty || !file.tasks.isEmpty else { throw fail("nothing is measured in it") }
    try merge(file, path)
  }

  /// The same dense model has the same perplexity on the same windows, or the texts differ.
  private mutating func checkDense(
    _ measured: EvaluationDocument.Measurement, _ text: MeasuredFile.Text, _ path: String,
    _ fail: (String) -> PipelineError
  ) throws {
    guard let perplexity = measured.densePerplexity else { return }
    if let known = dense.first(where: { $0.text.isLike(text) }) {
      guard abs(perplexity / known.text.perplexity - 1) < 1e-4 else {
        throw fail(
          "the dense model has perplexity \(perplexity) on \(text.name) here and \(known.text.perplexity) in "
            + "\(known.path): these are different texts of one name")
      }
    } else {
      var text = text
      text.perplexity = perplexity
      dense.append((text, path))
    }
  }

  private mutating func add(_ document: SpeedDocument, _ path: String) throws {
    func fail(_ problem: String) -> PipelineError { .damaged(path: path, problem: problem) }
    if let conditions, conditions != document.conditions {
      throw fail("its speeds are of another machine, engine or workload than those of another document")
    }
    conditions = document.conditions
    guard !document.files.isEmpty, document.threads > 0, document.promptTokens > 0, document.rounds > 0 else {
      throw fail("nothing is measured in it")
    }
    for found in document.files {
      let speed = found.speed
      guard found.bytes > 0, speed.prompt > 0, speed.generation > 0, speed.promptSpread >= 0,
        speed.generationSpread >= 0, [speed.prompt, speed.generation].allSatisfy(\.isFinite)
      else { throw fail("\(found.path): bytes and tokens a second are to be positive numbers") }
      let known = files.first { $0.identity == found.sha256 }
      var file = MeasuredFile(
        name: Self.name(found.path),
        trial: try known.map(\.trial) ?? trial(found.origin, fingerprint: nil, name: found.path, fail),
        weights: found.weights, repair: found.origin?.repair, tokens: found.origin?.tokens, bytes: found.bytes,
        identity: found.sha256)
      file.speed = speed
      try merge(file, path)
    }
  }

  private static func name(_ path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }

  // MARK: Matching

  /// The trial that a checkpoint is an export of; `nil` for the dense model.
  ///
  /// - Parameters:
  ///   - fingerprint: of the checkpoint, `nil` if it is not known.
  ///   - name: the checkpoint in messages.
  private func trial(
    _ origin: ModelOrigin?, fingerprint: String?, name: String, _ fail: (String) -> PipelineError
  ) throws -> Int? {
    guard let origin else {
      if fingerprint == model.fingerprint { return nil }
      let known = fingerprint.map { "fingerprint \($0) is not that of the study's model, \(model.fingerprint)" }
      throw fail(
        "\(name) has no record of an export, and \(known ?? "no evaluate --json of the same file says what it is")")
    }
    guard origin.parentFingerprint == model.fingerprint else {
      throw fail(
        "\(name) comes from another model (fingerprint \(origin.parentFingerprint ?? "unknown")) than the study's "
          + "(\(model.name), \(model.fingerprint))")
    }
    if origin.study == nil, origin.method == "convert" { return nil }
    guard let study = origin.study, let number = origin.trial else {
      throw fail("\(name) was made by '\(origin.method ?? "unknown")' and is no export of a study")
    }
    guard study == self.study else { throw fail("\(name) is an export of study '\(study)', not of '\(self.study)'") }
    guard let widths = widths[number] else {
      throw fail("\(name) is an export of trial \(number), which the study lacks")
    }
    guard origin.genome == widths.map({ [$0.groups, $0.channels] }) else {
      throw fail(
        "\(name) has other widths than trial \(number): it is an export of another study that is called '\(study)', too"
      )
    }
    return number
  }

  /// Adds what was measured of a file to what is known of it.
  private mutating func merge(_ file: MeasuredFile, _ path: String) throws {
    guard let place = files.firstIndex(where: { $0.identity == file.identity }) else {
      files.append(file)
      return
    }
    func fail(_ what: String) -> PipelineError {
      .damaged(path: path, problem: "\(file.name): \(what) was measured before, with another result")
    }
    for text in file.texts {
      guard let at = files[place].texts.firstIndex(where: { $0.isLike(text) }) else {
        files[place].texts.append(text)
        continue
      }
      let known = files[place].texts[at]
      // With a dense model beside it sums are taken in another order.
      let isSame = abs(text.perplexity / known.perplexity - 1) < 1e-5
      guard isSame, known.kl == nil || text.kl == nil || known.kl == text.kl else {
        throw fail("perplexity on \(text.name)")
      }
      if known.kl == nil { files[place].texts[at] = text }
    }
    for task in file.tasks {
      if let known = files[place].tasks.first(where: { $0.isLike(task) }) {
        if known.value != task.value { throw fail("\(task.metric) of \(task.task)") }
      } else {
        files[place].tasks.append(task)
      }
    }
    if let speed = file.speed {
      if files[place].speed != nil, files[place].speed != speed { throw fail("its speed") }
      files[place].speed = speed
    }
  }
}

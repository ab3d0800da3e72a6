import Checkpoints
import Evaluation
import Foundation

/// Latency tables on disk (`latency.json`).
public enum LatencyFile {
  /// More bytes than any table has.
  private static let mostBytes = 64 << 20

  /// - Throws: `PipelineError.damaged` that names the file and what is wrong with it.
  public static func read(_ path: String) throws -> LatencyTable {
    func damaged(_ problem: String) -> PipelineError { .damaged(path: path, problem: problem) }
    let url = URL(fileURLWithPath: path)
    guard let size = try? url.resourceValues(forKeys: [.fileSizeKey]).fileSize else {
      throw damaged("there is no file of this name")
    }
    guard size <= mostBytes, let data = try? Data(contentsOf: url) else {
      throw damaged("the file cannot be read as a latency table of at most \(mostBytes >> 20) MiB")
    }
    let content: JSONValue
    do {
      content = try data.withUnsafeBytes { try JSONValue.parse($0, file: "its text", dialect: .python) }
    } catch {
      throw damaged("this is no latency table: \(error)")
    }
    guard let name = content["schema"]?.string, let version = content["version"]?.integer else {
      throw damaged("this is no latency table: it is to be JSON with 'schema' and 'version'")
    }
    guard name == "nas-search.\(LatencyTable.schema)", version == LatencyTable.version else {
      throw damaged(
        "'\(name)', version \(version), is not nas-search.\(LatencyTable.schema), version "
          + "\(LatencyTable.version)")
    }
    if let problem = Self.problem(of: content, at: "") { throw damaged(problem) }
    do {
      let table = try StoredJSON.decoder().decode(LatencyTable.self, from: data)
      try table.validate()
      return table
    } catch let error as LatencyError {
      throw damaged("\(error)")
    } catch let error as DecodingError {
      throw damaged(DecodingWords.text(error))
    }
  }

  /// What is wrong with the numbers of a table, with its place: the decoder only says that there is no JSON.
  ///
  /// - Parameter place: place of the value.
  private static func problem(of value: JSONValue, at place: String) -> String? {
    switch value {
    case .object(let members):
      return members.sorted { $0.key < $1.key }.lazy.compactMap { key, value in
        problem(of: value, at: place.isEmpty ? key : "\(place).\(key)")
      }.first
    case .array(let values):
      return values.enumerated().lazy.compactMap { problem(of: $1, at: "\(place)[\($0)]") }.first
    case .number(let number):
      if !number.isFinite { return "'\(place)' is \(number), which is no number of a table" }
      let isTime = times.contains { place.hasSuffix(".\($0)") }
      return isTime || Int(exactly: number) != nil ? nil : "'\(place)' is \(number), not an integer"
    default: return nil
    }
  }

  /// Keys whose numbers may have fractions.
  private static let times = ["seconds", "spread"]

  public static func data(_ table: LatencyTable) throws -> Data {
    try StoredJSON.document(table, schema: LatencyTable.schema, version: LatencyTable.version)
  }
}

extension LatencyTable {
  /// A line for each workload: the time of the dense model, what its parts take, and the largest spread of a part.
  public var lines: [String] {
    workloads.compactMap { workload in
      guard let attention = workload.attention.last, let mlp = workload.mlp.last else { return nil }
      let layers = Double(shape.layers)
      let dense = workload.rest.seconds + layers * (attention.seconds + mlp.seconds)
      let spread = (workload.attention + workload.mlp).map(\.spread).max() ?? 0
      return workload.name.padding(toLength: max(18, workload.name.count), withPad: " ", startingAt: 0)
        + String(
          format: "dense %.3f ms: a layer's attention %.1f µs, MLP %.1f µs, the rest %.3f ms; spread at most %.1f µs",
          dense * 1e3, attention.seconds * 1e6, mlp.seconds * 1e6, workload.rest.seconds * 1e3, spread * 1e6)
    }
  }
}

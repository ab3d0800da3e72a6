import Checkpoints
import Evaluation
import Foundation

/// Latency tables on disk (`latency.json`).
public enum LatencyFile {
  /// More bytes than any table has.
  private static let mostBytes = 64 << 20

  private struct Header: Decodable {
    let schema: String
    let version: Int
  }

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
    guard let header = try? StoredJSON.decoder().decode(Header.self, from: data) else {
      throw damaged("this is no latency table: it is to be JSON with 'schema' and 'version'")
    }
    guard header.schema == "nas-search.\(LatencyTable.schema)", header.version == LatencyTable.version else {
      throw damaged(
        "'\(header.schema)', version \(header.version), is not nas-search.\(LatencyTable.schema), version "
          + "\(LatencyTable.version)")
    }
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

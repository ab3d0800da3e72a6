/// Rules for calibration text: rules for documents, and a band of losses for windows.
///
/// AdaPruner (arXiv 2503.06184) keeps text of little information out of the calibration data, and web corpora hold much
/// short or repeated text. Documents are filtered before a text is cut into windows, windows after it. Text that a
/// model samples itself has no documents, so only the loss band filters it.
public struct CalibrationFilter: Codable, Equatable, Sendable {
  /// Documents with fewer tokens are dropped; 0 keeps all.
  public var minimumTokens: Int
  public var duplicates: Duplicates
  /// Windows outside of the band are dropped; `nil` keeps all.
  public var lossBand: LossBand?

  /// The kinds of repeated documents that are dropped. The first occurrence always stays.
  public enum Duplicates: String, Codable, Sendable, CaseIterable {
    case none
    /// Documents that are equal except for case and white space.
    case exact
    /// Also documents with nearly the same words in the same order (`NearDuplicates`).
    case near
  }

  public init(minimumTokens: Int = 0, duplicates: Duplicates = .none, lossBand: LossBand? = nil) {
    self.minimumTokens = minimumTokens
    self.duplicates = duplicates
    self.lossBand = lossBand
  }

  private enum CodingKeys: String, CodingKey { case minimumTokens, duplicates, lossBand }

  /// A missing rule is off, so that records stay readable when rules are added.
  public init(from decoder: Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    minimumTokens = try values.decodeIfPresent(Int.self, forKey: .minimumTokens) ?? 0
    duplicates = try values.decodeIfPresent(Duplicates.self, forKey: .duplicates) ?? .none
    lossBand = try values.decodeIfPresent(LossBand.self, forKey: .lossBand)
  }

  /// Whether any rule looks at documents. If none does, a text stays one running stream.
  public var filtersDocuments: Bool { minimumTokens > 0 || duplicates != .none }
  public var isOff: Bool { !filtersDocuments && lossBand == nil }

  /// The filter as options of the command line.
  public var options: [String] {
    (minimumTokens > 0 ? ["--min-tokens", "\(minimumTokens)"] : [])
      + (duplicates == .none ? [] : ["--duplicates", duplicates.rawValue])
      + (lossBand.map { ["--loss-band", $0.description] } ?? [])
  }

  /// Drops short and repeated documents. A short document that is dropped makes no other one a duplicate.
  ///
  /// - Parameters:
  ///   - documents: documents in the order of their source.
  ///   - countTokens: function that counts the tokens of a document; called only if a minimum is set.
  /// - Returns: the documents that stay, in order, and a record of the others.
  public func documents(
    _ documents: [String], countTokens: (String) -> Int
  ) -> (kept: [String], report: FilterReport) {
    var report = FilterReport(documents: documents.count)
    var seen: Set<String> = []
    var near = NearDuplicates()
    let kept = documents.filter { document in
      if minimumTokens > 0, countTokens(document) < minimumTokens {
        report.short += 1
        return false
      }
      if duplicates == .none { return true }
      let words = NearDuplicates.words(document)
      guard seen.insert(words.joined(separator: " ")).inserted else {
        report.exactDuplicates += 1
        return false
      }
      if duplicates == .near, !near.insert(words) {
        report.nearDuplicates += 1
        return false
      }
      return true
    }
    return (kept, report)
  }
}

/// Counts of what a filter saw and dropped in one source.
public struct FilterReport: Codable, Equatable, Sendable {
  /// Documents seen; 0 if no rule looks at documents.
  public var documents: Int
  /// Documents with too few tokens.
  public var short = 0
  public var exactDuplicates = 0
  public var nearDuplicates = 0
  /// Candidate windows whose loss was measured; 0 without a loss band.
  public var windows = 0
  /// Number of these windows outside of the band.
  public var windowsOutsideBand = 0
  /// The band's limits: mean negative log-likelihoods of a window under the dense model, in nats per token.
  public var lowestLoss: Double?
  public var highestLoss: Double?

  public init(documents: Int = 0) { self.documents = documents }

  public var documentsDropped: Int { short + exactDuplicates + nearDuplicates }

  /// The counts in words, for reports; empty if no rule applied.
  public var summary: String {
    var parts: [String] = []
    if documents > 0 {
      parts.append(
        "\(documentsDropped) of \(documents) documents dropped: \(short) short, \(exactDuplicates) exact and "
          + "\(nearDuplicates) near duplicates")
    }
    if windows > 0 { parts.append("\(windowsOutsideBand) of \(windows) windows outside the loss band") }
    return parts.joined(separator: "; ")
  }
}

import Foundation
import LinearAlgebra
import Testing

@testable import Calibration

@Suite struct CalibrationFilterTests {
  /// Words that differ from document to document.
  private func words(_ count: Int, seed: UInt64) -> [String] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in "w\(random.integer(below: 5000))" }
  }

  private func filter(_ documents: [String], _ filter: CalibrationFilter) -> (kept: [String], report: FilterReport) {
    filter.documents(documents) { $0.split(separator: " ").count }
  }

  @Test func offMeansOff() {
    let off = CalibrationFilter()
    #expect(off.isOff && !off.filtersDocuments && off.options.isEmpty)
    let documents = ["a", "a", ""]
    #expect(filter(documents, off).kept == documents)
    #expect(!CalibrationFilter(lossBand: .init(lower: 0, upper: 0.9)).filtersDocuments)
  }

  @Test func shortDocumentsGo() {
    let found = filter(["one two three", "one", "one two", "a b c d"], CalibrationFilter(minimumTokens: 3))
    #expect(found.kept == ["one two three", "a b c d"])
    #expect(found.report.short == 2 && found.report.documents == 4 && found.report.documentsDropped == 2)
  }

  @Test func equalDocumentsGoButForTheFirst() {
    let documents = ["The lamp was lit", "the  LAMP was\nlit ", "The lamp was out", "The lamp was lit"]
    let found = filter(documents, CalibrationFilter(duplicates: .exact))
    #expect(found.kept == [documents[0], documents[2]])
    #expect(found.report.exactDuplicates == 2 && found.report.nearDuplicates == 0)
  }

  /// A few changed words of many are a repetition, many changed words are not; exact rules keep both.
  @Test(arguments: [1, 2, 40])
  func nearDuplicatesGo(changes: Int) {
    let original = words(200, seed: 1)
    var changed = original
    for place in 0..<changes { changed[(place * 37 + 11) % 200] = "other\(place)" }
    let documents = [original, changed, words(200, seed: 2)].map { $0.joined(separator: " ") }
    let jaccard = NearDuplicates.jaccard(
      NearDuplicates.shingles(NearDuplicates.words(documents[0])),
      NearDuplicates.shingles(NearDuplicates.words(documents[1])))
    #expect((jaccard >= NearDuplicates.threshold) == (changes < 10))
    let found = filter(documents, CalibrationFilter(duplicates: .near))
    #expect(found.kept.count == (changes < 10 ? 2 : 3) && found.kept.last == documents[2])
    #expect(found.report.nearDuplicates == (changes < 10 ? 1 : 0))
    #expect(filter(documents, CalibrationFilter(duplicates: .exact)).kept == documents)
  }

  /// Every document that stays is no near duplicate of another that stays, by comparing all pairs.
  @Test func noNearDuplicatesStay() {
    let documents = (0..<60).map { number in
      var text = words(80, seed: UInt64(number / 4))
      if number % 4 > 0 { text[number % 80] = "changed\(number)" }
      return text.joined(separator: " ")
    }
    let kept = filter(documents, CalibrationFilter(duplicates: .near)).kept
    #expect(kept.count == 15)
    let sets = kept.map { NearDuplicates.shingles(NearDuplicates.words($0)) }
    for (index, first) in sets.enumerated() {
      for second in sets[..<index] { #expect(NearDuplicates.jaccard(first, second) < NearDuplicates.threshold) }
    }
  }

  @Test func paragraphsAreDocuments() {
    #expect(TextDocuments.paragraphs("a\nb\n\n\n c \r\n \t\r\nd") == ["a\nb", " c ", "d"])
    #expect(TextDocuments.paragraphs("") == [] && TextDocuments.paragraphs("\n \n") == [])
  }

  @Test func lossBandKeepsTheMiddle() throws {
    let losses = [5.0, 1, 4, 2, 3, .nan]
    let all = CalibrationFilter.LossBand(lower: 0, upper: 1).kept(losses)
    #expect(all.indices == [0, 1, 2, 3, 4] && all.limits == 1...5)
    let middle = CalibrationFilter.LossBand(lower: 0.25, upper: 0.75).kept(losses)
    #expect(middle.indices == [2, 3, 4] && middle.limits == 2...4)
    #expect(CalibrationFilter.LossBand(lower: 0.9, upper: 0.95).kept(losses).indices == [])
    #expect(CalibrationFilter.LossBand(lower: 0, upper: 1).kept([.nan, .infinity]).indices == [])
    // As many candidates as are asked for leave at least as many windows as are wanted.
    for (lower, upper) in [(0.0, 0.5), (0.05, 0.95), (0.4, 0.6)] {
      let band = CalibrationFilter.LossBand(lower: lower, upper: upper)
      for count in [1, 7, 64] {
        let kept = band.kept((0..<band.candidates(for: count)).map { Double($0) }).indices.count
        #expect(kept >= count && kept <= count + 2)
      }
    }
  }

  @Test func bandsThatCannotBe() {
    for (lower, upper) in [(0.5, 0.5), (0.6, 0.4), (-0.1, 0.5), (0.5, 1.1), (0.5, 0.51), (Double.nan, 1)] {
      #expect(!CalibrationFilter.LossBand(lower: lower, upper: upper).isValid)
    }
    #expect(CalibrationFilter.LossBand(lower: 0.05, upper: 0.95).isValid)
  }

  @Test func recordsStayReadable() throws {
    let filter = CalibrationFilter(minimumTokens: 8, duplicates: .near, lossBand: .init(lower: 0.1, upper: 0.9))
    #expect(try JSONDecoder().decode(CalibrationFilter.self, from: JSONEncoder().encode(filter)) == filter)
    #expect(try JSONDecoder().decode(CalibrationFilter.self, from: Data("{}".utf8)) == CalibrationFilter())
    #expect(filter.options == ["--min-tokens", "8", "--duplicates", "near", "--loss-band", "0.1,0.9"])
  }
}

import Calibration
import Foundation
import Pipeline

extension FuzzedReader {
  /// A text to calibrate on, whose form is told by its content and its name.
  static let text = FuzzedReader(
    "text", .text,
    isRefusal: { $0 is CalibrationError },
    read: { input in
      // Under one name it may be refused where under another it is not.
      let results = ["text.txt", "text.jsonl"].map { name in Result { try readText(textFolder.write(input, to: name)) }
      }
      for case .failure(let error) in results where !(error is CalibrationError) { throw error }
      for case .success in results { return }
      for result in results { try result.get() }
    })

  private static func readText(_ url: URL) throws {
    let source = CalibrationSource(url.path, field: "text")
    try Violation.require(try !TextCorpus.read(source).isEmpty, "a text without a character was accepted")
    _ = try TextDocuments.read(source).count
  }

  private static let textFolder = InputFolder("text")

  /// The token windows of a study.
  static let calibration = FuzzedReader(
    "calibration", .text,
    isRefusal: { $0 is PipelineError },
    read: { input in
      let url = try calibrationFolder.write(input, to: CalibrationFile.name).deletingLastPathComponent()
      let file = try CalibrationFile(directory: url, model: "161509be00b0218ab06eb47fa137b5dd", vocabulary: 320)
      _ = (file.fitness, file.summary, file.sets.map(\.windows))
      let written = try file.data()
      try calibrationFolder.write(written, to: CalibrationFile.name)
      let again = try CalibrationFile(directory: url, model: file.model, vocabulary: 320)
      try Violation.require(try again.data() == written, "written and read again it is another file")
    })

  private static let calibrationFolder = InputFolder("calibration")
}

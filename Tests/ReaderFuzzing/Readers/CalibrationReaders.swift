import Calibration
import Foundation
import Pipeline

extension FuzzedReader {
  /// A text to calibrate on, whose form is told by its content and its name.
  static let text = FuzzedReader(
    "text", .text,
    isRefusal: { $0 is CalibrationError },
    read: { input in
      // Read under each name on its own: one may be refused where another is not.
      let results = ["text.txt", "text.jsonl"].map { name in
        Result {
          let url = try textFolder.write(input, to: name)
          defer { textFolder.remove(name) }
          let source = CalibrationSource(url.path, field: "text")
          let text = try TextCorpus.read(source)
          try Violation.require(!text.isEmpty, "a text without a character was accepted")
          for filter in try TextDocuments.read(source) { _ = filter.utf8.count }
        }
      }
      for result in results { try result.get() }
    })

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

import Foundation

/// A drawing as PDF 1.4: one page of the drawing's size, its text in Helvetica, which readers have.
enum PDFDrawing {
  /// What a figure of ours says of itself.
  static let mark = "/Producer (nas-search)"

  static func data(_ drawing: Drawing) -> Data {
    let content = drawing.shapes.map { operators($0, height: drawing.height) }.joined(separator: "\n") + "\n"
    let objects = [
      "<< /Type /Catalog /Pages 2 0 R >>",
      "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 \(number(drawing.width)) \(number(drawing.height))] "
        + "/Resources << /Font << /F 5 0 R >> >> /Contents 4 0 R >>",
      "<< /Length \(content.utf8.count) >>\nstream\n\(content)endstream",
      "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
      "<< \(mark) /Title \(HelveticaText.literal(drawing.title)) >>",
    ]
    // The bytes behind the percent sign tell programs that files of this kind are no text.
    var file = Data("%PDF-1.4\n%".utf8) + Data([0xE2, 0xE3, 0xCF, 0xD3, 0x0A])
    var offsets: [Int] = []
    for (index, object) in objects.enumerated() {
      offsets.append(file.count)
      file += Data("\(index + 1) 0 obj\n\(object)\nendobj\n".utf8)
    }
    let table = offsets.map { String(format: "%010d 00000 n \n", $0) }.joined()
    let count = objects.count + 1
    let end =
      "xref\n0 \(count)\n0000000000 65535 f \n\(table)trailer\n<< /Size \(count) /Root 1 0 R /Info \(objects.count) 0 R >>\n"
      + "startxref\n\(file.count)\n%%EOF\n"
    return file + Data(end.utf8)
  }

  /// The operators of a shape. PDF counts from the lower edge.
  private static func operators(_ shape: Drawing.Shape, height: Double) -> String {
    func at(_ place: Drawing.Place) -> String { "\(number(place.x)) \(number(height - place.y))" }
    switch shape {
    case .path(let places, let isClosed, let pen):
      guard let first = places.first else { return "" }
      let lines = places.dropFirst().map { "\(at($0)) l" }
      return ([setting(pen), "\(at(first)) m"] + lines + [painting(pen, isClosed: isClosed)]).joined(separator: "\n")
    case .circle(let place, let radius, let pen):
      return ([setting(pen)] + circle(place, radius, at) + [painting(pen, isClosed: true)]).joined(separator: "\n")
    case .words(let words):
      let width = HelveticaText.width(words.text, size: words.size)
      let shift = words.anchor == .start ? 0 : words.anchor == .middle ? width / 2 : width
      let start = words.place - (words.isTurned ? [0, -shift] : [shift, 0])
      let turn = words.isTurned ? "0 1 -1 0" : "1 0 0 1"
      return "BT 0 g /F \(number(words.size)) Tf \(turn) \(at(start)) Tm \(HelveticaText.literal(words.text)) Tj ET"
    }
  }

  /// Four cubic curves, whose handles have the usual length of 4/3 (√2 − 1) radii.
  private static func circle(_ center: Drawing.Place, _ radius: Double, _ at: (Drawing.Place) -> String) -> [String] {
    let handle = radius * 4 / 3 * (2.0.squareRoot() - 1)
    let corners: [Drawing.Place] = [[1, 0], [0, 1], [-1, 0], [0, -1]]
    let curves = corners.indices.map { index -> String in
      let (from, to) = (corners[index], corners[(index + 1) % 4])
      let first = center + from * radius + to * handle
      let second = center + to * radius + from * handle
      return "\(at(first)) \(at(second)) \(at(center + to * radius)) c"
    }
    return ["\(at(center + [radius, 0])) m"] + curves
  }

  private static func setting(_ pen: Drawing.Pen) -> String {
    let fill = pen.fill.map { "\(number($0)) g" }
    let stroke = pen.stroke.map { "\(number($0)) G \(number(pen.width)) w" }
    return [fill, stroke].compactMap(\.self).joined(separator: " ")
  }

  private static func painting(_ pen: Drawing.Pen, isClosed: Bool) -> String {
    switch (pen.fill != nil, pen.stroke != nil) {
    case (true, true): isClosed ? "b" : "B"
    case (true, false): "f"
    case (false, true): isClosed ? "s" : "S"
    case (false, false): "n"
    }
  }

  private static func number(_ value: Double) -> String { NumberText.trimmed(value, 3) }
}

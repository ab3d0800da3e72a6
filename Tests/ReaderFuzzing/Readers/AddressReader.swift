import CPostgres
import Foundation
import Studies

extension FuzzedReader {
  /// The address of a study: a path, or that of a server, whose password must not be shown.
  static let address = FuzzedReader(
    "address", .text,
    isRefusal: { $0 is StudyError },
    read: { input in
      let text = String(decoding: input, as: UTF8.self)
      let shown: String
      var refusal: StudyError?
      do {
        let address = try StudyAddress(text)
        shown = "\(address) \(address.name ?? "") \(address.location)"
      } catch let error as StudyError {
        shown = "\(error)"
        refusal = error
      }
      if text.hasPrefix("postgres"), let password = password(in: text), !isWritten(password, besideIn: text) {
        try Violation.require(!shown.contains(password), "the password '\(password)' of \(text) is shown in: \(shown)")
      }
      if let refusal { throw refusal }
    })

  /// What libpq takes for the password.
  private static func password(in text: String) -> String? {
    let url = text.prefix { $0 != "#" }
    guard !text.utf8.contains(0), let options = PQconninfoParse(String(url), nil) else { return nil }
    defer { PQconninfoFree(options) }
    var option = options
    while let keyword = option.pointee.keyword {
      if String(cString: keyword) == "password", let value = option.pointee.val { return String(cString: value) }
      option += 1
    }
    return nil
  }

  /// Whether the same letters also stand where they are no secret, or are too few to tell.
  private static func isWritten(_ password: String, besideIn text: String) -> Bool {
    password.utf8.count < 8 || text.components(separatedBy: password).count != 2
  }
}

/// A setting of a request under the name of its option: what the difference of two requests, the command that repeats one and
/// the report have in common.
public struct NamedSetting: Equatable, Sendable {
  /// Without the dashes, such as `fitness-windows`.
  public let option: String
  /// As the command line takes them; several for an option that is repeated, none for one that is not given.
  public let values: [String]

  init(_ option: String, _ values: [String]) { (self.option, self.values) = (option, values) }

  init(_ option: String, _ value: (some CustomStringConvertible)?) { self.init(option, value.map { ["\($0)"] } ?? []) }

  /// The option in words: `fitness windows`.
  public var name: String { option.replacing("-", with: " ") }

  /// For people.
  public var text: String { values.isEmpty ? "not given" : values.joined(separator: ", ") }

  /// As the command line takes it.
  var words: [String] { values.flatMap { ["--\(option)", $0] } }
}

extension [NamedSetting] {
  /// The first setting in which other ones differ, and how, in words; `nil` if they agree.
  func difference(to others: [NamedSetting]) -> (option: String, words: String)? {
    for setting in self {
      let other = others.first { $0.option == setting.option }
      if let other, other != setting {
        return (setting.option, "\(setting.name) was \(setting.text), now \(other.text)")
      }
    }
    return nil
  }

  /// The words of a command line that gives these settings, less those that it need not give.
  func words(besides standard: [NamedSetting]) -> [String] { filter { !standard.contains($0) }.flatMap(\.words) }
}

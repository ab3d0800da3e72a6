import ArgumentParser

@main
struct NASSearch: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "nas-search")
}

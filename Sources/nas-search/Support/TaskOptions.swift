import ArgumentParser
import Foundation
import Pipeline
import Tasks

/// Tasks that models are measured on, and where their files are.
struct TaskNames: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Tasks, separated by commas: \(TaskKind.all.map(\.name).joined(separator: ", ")).", valueName: "names"))
  var tasks: String?
  @Option(help: "Folder with the files of the tasks, as their authors publish them.", transform: LocalPath.checked)
  var taskData: String?
  @Option(help: "Most items of each task, and file with requests, the first ones. Default: all.") var items: Int?

  var names: [String] { tasks?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) ?? [] }

  /// `nil` where no task is asked for.
  var request: TaskRequest? {
    if tasks == nil { return nil }
    var request = TaskRequest(tasks: names, folder: taskData)
    request.items = items
    return request
  }

  /// - Throws: if there is an option without what it is for.
  func check(_ isAsked: Bool, _ wanted: String) throws {
    for (name, isGiven) in [("--task-data", taskData != nil), ("--items", items != nil)] where isGiven && !isAsked {
      throw ValidationError("\(name) is for \(wanted)")
    }
  }
}

/// What else `evaluate` asks.
struct TaskOptions: ParsableArguments {
  @OptionGroup var named: TaskNames
  @Option(
    parsing: .upToNextOption, help: "Files with requests of another program, one JSON object in each line.",
    transform: LocalPath.checked) var requests: [String] = []
  @Option(
    help: "File to write what the model said to every item, one JSON object in each line.", transform: LocalPath.checked
  )
  var answers: String?

  private var isAsked: Bool { named.tasks != nil || !requests.isEmpty }

  /// `nil` where no task is asked for.
  var request: TaskRequest? {
    if !isAsked { return nil }
    var request = TaskRequest(tasks: named.names, folder: named.taskData, requests: requests)
    (request.items, request.answers) = (named.items, answers)
    return request
  }

  func validate() throws {
    let wanted = "--tasks and --requests, and there is neither"
    try named.check(isAsked, wanted)
    if answers != nil, !isAsked { throw ValidationError("--answers is for \(wanted)") }
  }
}

import ArgumentParser
import Foundation
import Pipeline
import Tasks

/// Tasks that a model is measured on, and where their files are.
struct TaskOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Tasks, separated by commas: \(TaskKind.all.map(\.name).joined(separator: ", ")).", valueName: "names"))
  var tasks: String?
  @Option(help: "Folder with the files of the tasks, as their authors publish them.", transform: LocalPath.checked)
  var taskData: String?
  @Option(
    parsing: .upToNextOption, help: "Files with requests of another program, one JSON object in each line.",
    transform: LocalPath.checked) var requests: [String] = []
  @Option(help: "Most items of each task and file with requests, the first ones. Default: all.") var items: Int?
  @Option(
    help: "File to write what the model said to every item, one JSON object in each line.", transform: LocalPath.checked
  )
  var answers: String?

  /// `nil` where no task is asked for.
  var request: TaskRequest? {
    guard tasks != nil || !requests.isEmpty else { return nil }
    let names = tasks?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) ?? []
    var request = TaskRequest(tasks: names, folder: taskData, requests: requests)
    (request.items, request.answers) = (items, answers)
    return request
  }

  func validate() throws {
    guard tasks == nil, requests.isEmpty else { return }
    for (name, isGiven) in [("--task-data", taskData != nil), ("--items", items != nil), ("--answers", answers != nil)]
    {
      if isGiven { throw ValidationError("\(name) is for --tasks and --requests, and there is neither") }
    }
  }
}

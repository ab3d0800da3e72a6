import CSQLite
import Search

/// Errors of a stored study, or of requests to it. Paths are as the caller gave them.
public enum StudyError: Error, Equatable, Sendable, CustomStringConvertible {
  /// There is no database where a study was expected.
  case missing(path: String)
  /// A study already exists in the place of a new one.
  case alreadyExists(path: String)
  /// The database cannot be read as SQLite, or is damaged.
  case corrupt(path: String, reason: String)
  /// An SQLite database, but not one in the schema of this version.
  case unsupportedSchema(path: String, found: String?, expected: String)
  /// The database holds no study of that name (or, if no name was given, not exactly one).
  case noSuchStudy(path: String, name: String?, present: [String])
  /// The database holds studies of Optuna's, but none of them was made here.
  case foreignStudy(path: String, names: [String])
  /// A file of another kind in the place of the database.
  case notADatabase(path: String, found: String)
  /// Another process is working on the study.
  case inUse(path: String, process: Int?)
  /// The study belongs to another model.
  case otherModel(path: String, stored: ModelIdentity, requested: ModelIdentity)
  /// The study belongs to another design space; `difference` names the first one.
  case otherSpace(path: String, difference: String)
  /// The optimiser does not ask again what the study holds.
  case otherSettings(path: String, trial: Int)
  /// A change of a study that was opened for inspection only.
  case readOnly(path: String)
  /// A file operation failed.
  case file(path: String, reason: String)
  /// The database refused an operation, for example because the disk is full.
  case database(path: String, reason: String)
  /// A trial that does not follow the last one.
  case trialOutOfOrder(number: Int, expected: Int)
  /// A trial that cannot change its state this way.
  case wrongState(number: Int, state: TrialState?, wanted: String)
  /// A stored trial that was begun again with another genome.
  case genomeChanged(number: Int, stored: Genome, given: Genome)
  /// A stored trial that is not a genome of the study's space, or incomplete.
  case unreadableTrial(path: String, number: Int, reason: String)
  /// Too many or too few values for the study's objectives.
  case wrongValueCount(number: Int, expected: Int, found: Int)
  /// A value that is not a number.
  case notANumber(number: Int)
  /// An attribute that is not JSON.
  case invalidJSON(key: String)
  /// A study that cannot be stored; `reason` says why.
  case invalidStudy(reason: String)
  /// An invalid address of a PostgreSQL server. The password is left out.
  case invalidURL(url: String)
  /// A text that is neither an address of ours nor a folder. `given`: the part of it that can be shown.
  case invalidAddress(given: String, advice: String)
  /// A change that only the searching process may make, from a worker.
  case notSearching(path: String)
  /// A second result that differs from the first: the same genome must give the same values everywhere.
  case conflictingResult(number: Int, stored: [Double], given: [Double])
  /// A name that no file of a study can have.
  case invalidFileName(String)

  /// An error met while the database at `path` was used.
  init(_ error: any Error, path: String) {
    switch error {
    case let error as StudyError: self = error
    case let failure as SQLiteFailure where [SQLITE_NOTADB, SQLITE_CORRUPT].contains(failure.code):
      self = .corrupt(path: path, reason: failure.description)
    default: self = .database(path: path, reason: "\(error)")
    }
  }

  public var description: String {
    switch self {
    case .missing(let path): "there is no study in \(path): \(Study.fileName) is missing"
    case .alreadyExists(let path): "there is a study in \(path) already"
    case .corrupt(let path, let reason): "the study database \(path) is damaged: \(reason)"
    case .unsupportedSchema(let path, let found?, let expected):
      "\(path) is not a study database of schema \(expected), but of \(found): another version of Optuna made it "
        + "('optuna storage upgrade' brings an older one up to date)"
    case .unsupportedSchema(let path, nil, let expected):
      "\(path) is not a study database of schema \(expected), but a database of another program, or empty"
    case .noSuchStudy(let path, let name, let present):
      if let name {
        "there is no study '\(name)' in \(path)" + Self.listed(present)
      } else {
        "\(path) holds \(present.count) studies where one was expected" + Self.listed(present)
      }
    case .foreignStudy(let path, let names):
      "\(path) holds the Optuna stud\(names.count == 1 ? "y" : "ies") "
        + names.map { "'\($0)'" }.joined(separator: ", ") + ", which nas-search did not make"
    case .notADatabase(let path, let found): "\(path) is not a study database: it is \(found)"
    case .inUse(let path, let process):
      "the study in \(path) is in use by another process" + (process.map { " (\($0))" } ?? "")
    case .otherModel(let path, let stored, let requested):
      "the study in \(path) was made for \(stored), not for \(requested)"
    case .otherSpace(let path, let difference): "the study in \(path) was made for another search space: \(difference)"
    case .otherSettings(let path, let trial):
      "the study in \(path) was made with other settings: its trial \(trial) is not what this search asks for"
    case .readOnly(let path): "the study in \(path) was opened for reading only"
    case .file(let path, let reason): "\(path): \(reason)"
    case .database(let path, let reason): "the study database \(path): \(reason)"
    case .trialOutOfOrder(let number, let expected): "trial \(number) cannot begin: the next one is \(expected)"
    case .wrongState(let number, let state, let wanted):
      "trial \(number) is \(state.map { $0.rawValue.lowercased() } ?? "unknown") and cannot be \(wanted)"
    case .genomeChanged(let number, let stored, let given):
      "trial \(number) is stored as \(stored.canonical) and cannot begin as \(given.canonical)"
    case .unreadableTrial(let path, let number, let reason): "trial \(number) of the study in \(path): \(reason)"
    case .wrongValueCount(let number, let expected, let found):
      "trial \(number): \(expected) values expected, \(found) given"
    case .notANumber(let number): "trial \(number): a value is not a number"
    case .invalidJSON(let key): "attribute '\(key)' is not JSON"
    case .invalidStudy(let reason): "the study cannot be stored: \(reason)"
    case .invalidURL(let url):
      "\(url) is not the URL of a PostgreSQL database (postgresql://user@host/database#NAME; "
        + "write %40, %3A, %2F, %3F, %23 and %3D for @ : / ? # = in a name or a password)"
    case .invalidAddress(let given, let advice): "\(given) is not the address of a study: \(advice)"
    case .notSearching(let path): "the study in \(path) was opened to evaluate its trials, not to search"
    case .conflictingResult(let number, let stored, let given):
      "trial \(number) has the result \(Self.listed(stored)); another evaluation gave \(Self.listed(given))"
    case .invalidFileName(let name): "'\(name)' cannot be the name of a study's file"
    }
  }

  private static func listed(_ values: [Double]) -> String {
    "(" + values.map { "\($0)" }.joined(separator: ", ") + ")"
  }

  private static func listed(_ names: [String]) -> String {
    names.isEmpty ? "" : ": \(names.joined(separator: ", "))"
  }
}

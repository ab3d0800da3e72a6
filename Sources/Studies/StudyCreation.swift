import Foundation
import Search

extension Study {
  /// Makes a new study in a place and opens it for searching.
  ///
  /// The place holds a whole study or none: a database file is written beside its place and renamed into it, and on a
  /// server all is one transaction.
  ///
  /// - Parameters:
  ///   - place: held place; the study takes over its lock.
  ///   - name: name on a server for which the place is held.
  ///   - metricNames: names of the objectives in Optuna's tools, one for each direction.
  ///   - attributes: more study attributes; each value is a JSON text. The study itself keeps `model` and `space`.
  ///   - files: further files of the study, by name (`file(_:)`). They exist whenever the study does.
  /// - Throws: `StudyError.file`, `.database`, `.invalidStudy`, `.invalidJSON`, `.alreadyExists`, `.unsupportedSchema`.
  ///   The place then holds no study, and is still the caller's.
  public static func create(
    in place: StudyPlace, name: String, directions: [Direction], metricNames: [String]? = nil, model: ModelIdentity,
    space: DesignSpace, attributes: [String: String] = [:], files: [String: Data] = [:]
  ) throws(StudyError) -> Study {
    let description = try NewStudy(
      name: name, directions: directions, metricNames: metricNames, model: model, space: space, attributes: attributes)
    for name in files.keys { try check(fileName: name) }
    switch place.hold {
    case .folder(let directory, let lock, _, _):
      let path = directory.appendingPathComponent(fileName).path
      let draft = path + ".new"
      var written: [URL] = []
      defer {
        if lock.isInPlace {
          remove(draft: draft)
          for url in written { unlink(url.path) }
        }
      }
      try lock.requirePlace()
      try make(draft: draft) { try description.insert($0) }
      for (name, content) in files.sorted(by: { $0.key < $1.key }) {
        let url = directory.appendingPathComponent(name)
        try write(content, to: url)
        written.append(url)
      }
      try lock.requirePlace()
      if rename(draft, path) != 0 { throw .file(path: path, reason: StudyLock.reason()) }
      written = []
      return try folder(directory, name: name, access: .resume, lock: lock)
    case .server(let url, let database, let reserved):
      if name != reserved { throw .invalidStudy(reason: "its place was taken for '\(reserved)', not for '\(name)'") }
      let head = try database.write { session in
        try OptunaSchema.installOnServer(session, path: url.description)
        try description.insert(session)
        let head = try StudyHead(session, name: name, path: url.description)
        for (name, content) in files.sorted(by: { $0.key < $1.key }) {
          try insert(file: name, content, study: head.identifier, session)
        }
        return head
      }
      return Study(.server(url), database, head, access: .resume, lock: nil)
    }
  }

  /// Makes a database in a directory and removes it.
  static func rehearseCreation(in directory: URL) throws(StudyError) {
    let draft = directory.appendingPathComponent(fileName).path + ".new"
    defer { remove(draft: draft) }
    try make(draft: draft) { _ in }
  }

  /// Makes a database file with the tables and what `fill` adds.
  private static func make(
    draft: String, _ fill: (any DatabaseSession) throws -> Void
  ) throws(StudyError) {
    remove(draft: draft)
    let database = try SQLiteDatabase(path: draft, isReadOnly: false)
    try database.write { session in
      try OptunaSchema.install(session)
      try fill(session)
    }
    try database.close()
  }

  /// Makes a study as `create` does, with a file and a trial, and undoes it.
  static func rehearseCreation(
    in database: PostgresDatabase, _ url: PostgresURL, name: String, _ attributes: [String: String]
  ) throws(StudyError) {
    try JSONText.check(attributes)
    let description = NewStudy(name: name, directions: [.minimize], metrics: "[]", attributes: attributes)
    try database.rehearse { session in
      try OptunaSchema.installOnServer(session, path: url.description)
      let study = try description.insert(session)
      try insert(file: "x", Data(), study: study, session)
      try rehearseTrial(of: study, session)
    }
  }

  private static func remove(draft: String) {
    for suffix in ["", "-journal", "-wal", "-shm"] { unlink(draft + suffix) }
  }
}

/// A study that is about to be stored.
struct NewStudy {
  let name: String
  let directions: [Direction]
  /// A JSON text.
  let metrics: String?
  /// All user attributes, each a JSON text.
  let attributes: [String: String]
}

extension NewStudy {
  /// - Throws: `StudyError.invalidStudy`, `.invalidJSON`.
  init(
    name: String, directions: [Direction], metricNames: [String]?, model: ModelIdentity, space: DesignSpace,
    attributes: [String: String]
  ) throws(StudyError) {
    try Self.check(name: name)
    if directions.isEmpty { throw .invalidStudy(reason: "there is no objective") }
    if let metricNames, metricNames.count != directions.count {
      throw .invalidStudy(reason: "\(metricNames.count) metric names for \(directions.count) objectives")
    }
    for key in [Study.Key.model, Study.Key.space] where attributes[key] != nil {
      throw .invalidStudy(reason: "the attribute '\(key)' is kept by the study itself")
    }
    // Optuna keeps parameter values as 64-bit floating point numbers.
    for variable in space.variables where max(variable.lowest.magnitude, variable.highest.magnitude) > 1 << 53 {
      throw .invalidStudy(reason: "the values of '\(variable.name)' exceed 53 bits")
    }
    try JSONText.check(attributes)
    var all = attributes
    all[Study.Key.model] = try JSONText.encode(model)
    all[Study.Key.space] = try JSONText.encode(space)
    let metrics = try metricNames.map { names throws(StudyError) in try JSONText.encode(names) }
    self.init(name: name, directions: directions, metrics: metrics, attributes: all)
  }

  /// The length of Optuna's column of names.
  ///
  /// - Throws: `StudyError.invalidStudy`.
  static func check(name: String) throws(StudyError) {
    // Databases count Unicode's code points.
    let length = name.unicodeScalars.count
    if (1...512).contains(length) { return }
    throw .invalidStudy(reason: "its name has \(length) characters, and may have 1 to 512")
  }

  /// - Returns: the study's number.
  @discardableResult
  func insert(_ session: some DatabaseSession) throws -> Int64 {
    let created = try session.run("INSERT INTO studies (study_name) VALUES (?) RETURNING study_id", [name])
    guard let identifier = created.first?.integer("study_id") else {
      throw StudyError.invalidStudy(reason: "the database gave it no number")
    }
    try session.insert(
      into: "study_directions", ["direction", "study_id", "objective"],
      directions.enumerated().map { [$1.rawValue, identifier, $0] })
    try session.insert(
      into: "study_user_attributes", ["study_id", "key", "value_json"],
      attributes.sorted { $0.key < $1.key }.map { [identifier, $0.key, $0.value] })
    if let metrics {
      try session.insert(
        into: "study_system_attributes", ["study_id", "key", "value_json"],
        [[identifier, Study.Key.metricNames, metrics]])
    }
    return identifier
  }
}

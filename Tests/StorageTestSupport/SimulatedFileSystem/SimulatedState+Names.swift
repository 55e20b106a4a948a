internal import Glibc
internal import SegmentStorage

extension SimulatedState {
  /// What is at a path, as the cache shows it.
  func entry(at path: String, _ call: String) throws(SystemError) -> SimulatedEntry? {
    var entry = SimulatedEntry.directory(0)
    for name in path.split(separator: "/") where name != "." {
      guard case .directory(let number) = entry else { throw SystemError(code: ENOTDIR, call: call, path: path) }
      guard let next = directories[number].entries[String(name)] else { return nil }
      entry = next
    }
    return entry
  }

  /// The directory at a path.
  func directory(at path: String, _ call: String) throws(SystemError) -> Int {
    switch try entry(at: path, call) {
    case .directory(let number): return number
    case .file: throw SystemError(code: ENOTDIR, call: call, path: path)
    case nil: throw SystemError(code: ENOENT, call: call, path: path)
    }
  }

  /// The directory that a path's last name is in, and that name.
  func place(of path: String, _ call: String) throws(SystemError) -> (directory: Int, name: String) {
    let parts = path.split(separator: "/").filter { $0 != "." }
    guard let name = parts.last else { throw SystemError(code: EISDIR, call: call, path: path) }
    let parent = parts.dropLast().joined(separator: "/")
    do throws(SystemError) {
      return (try directory(at: parent, call), String(name))
    } catch {
      throw SystemError(code: error.code, call: call, path: path)
    }
  }

  mutating func open(_ path: String, _ access: FileAccess) throws(SystemError) -> Int {
    let file: Int
    switch try entry(at: path, "open") {
    case .directory:
      throw SystemError(code: access == .createNew ? EEXIST : EISDIR, call: "open", path: path)
    case .file(let number):
      if access == .createNew { throw SystemError(code: EEXIST, call: "open", path: path) }
      file = number
    case nil:
      let place = try place(of: path, "open")
      guard access == .create || access == .createNew else {
        throw SystemError(code: ENOENT, call: "open", path: path)
      }
      file = files.count
      files.append(SimulatedFileState(path: path))
      change(place.directory, .open, path, adding: .init(name: place.name, entry: .file(file)))
    }
    nextHandle += 1
    handles[nextHandle - 1] = SimulatedHandle(file: file, isWritable: access != .read)
    return nextHandle - 1
  }

  mutating func createDirectory(_ path: String) throws(SystemError) {
    if try entry(at: path, "mkdir") != nil { throw SystemError(code: EEXIST, call: "mkdir", path: path) }
    let place = try place(of: path, "mkdir")
    directories.append(SimulatedDirectoryState())
    change(
      place.directory, .createDirectory, path,
      adding: .init(name: place.name, entry: .directory(directories.count - 1)))
  }

  mutating func remove(_ path: String) throws(SystemError) {
    guard let entry = try entry(at: path, "unlink") else {
      throw SystemError(code: ENOENT, call: "unlink", path: path)
    }
    guard case .file = entry else { throw SystemError(code: EISDIR, call: "unlink", path: path) }
    let place = try place(of: path, "unlink")
    change(place.directory, .remove, path, removing: .init(name: place.name, entry: entry))
  }

  mutating func rename(_ source: String, to destination: String) throws(SystemError) {
    guard let entry = try entry(at: source, "rename") else {
      throw SystemError(code: ENOENT, call: "rename", path: source)
    }
    let from = try place(of: source, "rename")
    let to = try place(of: destination, "rename")
    switch (entry, directories[to.directory].entries[to.name]) {
    case (_, entry):
      return
    case (.file, .directory):
      throw SystemError(code: EISDIR, call: "rename", path: source)
    case (.directory, .file):
      throw SystemError(code: ENOTDIR, call: "rename", path: source)
    case (.directory, .directory(let number)) where !directories[number].entries.isEmpty:
      throw SystemError(code: ENOTEMPTY, call: "rename", path: source)
    case (.directory(let number), _) where number == to.directory || contains(number, to.directory):
      throw SystemError(code: EINVAL, call: "rename", path: source)
    default:
      break
    }
    if case .file(let number) = entry { files[number]?.path = destination }
    let removed = PendingName.Name(name: from.name, entry: entry)
    let added = PendingName.Name(name: to.name, entry: entry)
    if from.directory == to.directory {
      change(from.directory, .rename, source, removing: removed, adding: added)
    } else {
      change(to.directory, .rename, source, adding: added)
      nextOrder -= 1
      change(from.directory, .rename, source, removing: removed, follows: to.directory)
    }
  }

  mutating func synchronizeDirectory(_ path: String) throws(SystemError) {
    let number = try directory(at: path, "fsync")
    var left: [PendingName] = []
    var hasRemoved = false
    for change in directories[number].pending {
      if let other = change.follows, directories[other].pending.contains(where: { $0.order == change.order }) {
        left.append(change)
      } else {
        change.apply(to: &directories[number].durable)
        hasRemoved = hasRemoved || change.kind == .remove || change.kind == .rename
      }
    }
    directories[number].pending = left
    if hasRemoved { forgetUnreachableFiles() }
  }

  /// Frees files that have no name, durable or not, and that nobody has open.
  mutating func forgetUnreachableFiles() {
    var isReachable = [Bool](repeating: false, count: files.count)
    for directory in directories {
      for case .file(let number) in directory.entries.values { isReachable[number] = true }
      for case .file(let number) in directory.durable.values { isReachable[number] = true }
      for change in directory.pending {
        if case .file(let number) = change.added?.entry { isReachable[number] = true }
      }
    }
    for handle in handles.values { isReachable[handle.file] = true }
    for number in files.indices where !isReachable[number] { files[number] = nil }
  }

  /// Changes names in the cache, and notes the change as not durable.
  private mutating func change(
    _ directory: Int, _ kind: SimulatedCall.Kind, _ path: String, removing removed: PendingName.Name? = nil,
    adding added: PendingName.Name? = nil, follows: Int? = nil
  ) {
    let change = PendingName(
      order: nextOrder, kind: kind, path: path, removed: removed, added: added, follows: follows)
    nextOrder += 1
    change.apply(to: &directories[directory].entries)
    directories[directory].pending.append(change)
  }

  private func contains(_ directory: Int, _ inner: Int) -> Bool {
    directories[directory].entries.values.contains { entry in
      guard case .directory(let number) = entry else { return false }
      return number == inner || contains(number, inner)
    }
  }
}

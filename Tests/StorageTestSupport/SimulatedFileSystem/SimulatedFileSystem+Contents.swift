internal import Glibc
public import SegmentStorage

/// What a test does behind the engine's back. Nothing here is counted, traced or made to fail; changes are durable at
/// once, names included, as if another machine had made them.
extension SimulatedFileSystem {
  /// A file's bytes, as a reader sees them.
  public func contents(of path: String) throws(SystemError) -> [UInt8] {
    try withFile(path) { $0.cache.bytes }
  }

  /// A file's bytes on the device: what ``CrashOutcome/allLost`` leaves, if the name is durable.
  public func durableContents(of path: String) throws(SystemError) -> [UInt8] {
    try withFile(path) { $0.durable.bytes }
  }

  /// All files with their bytes, by path without a leading slash: to compare two file systems.
  public func allContents(under directory: String = "") -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for path in paths(under: directory) {
      if let bytes = try? contents(of: path) { result[path] = bytes }
    }
    return result
  }

  /// The files below a directory, at any depth, sorted, without a leading slash.
  public func paths(under directory: String = "") -> [String] {
    state.withLock { state in
      var paths: [String] = []
      func list(_ number: Int, _ prefix: String) {
        for (name, entry) in state.directories[number].entries {
          let path = prefix.isEmpty ? name : "\(prefix)/\(name)"
          switch entry {
          case .file: paths.append(path)
          case .directory(let inner): list(inner, path)
          }
        }
      }
      guard let start = try? state.directory(at: directory, "opendir") else { return [] }
      list(start, directory.split(separator: "/").joined(separator: "/"))
      return paths.sorted()
    }
  }

  /// Sizes of all files together.
  public var usedBytes: Int { state.withLock { $0.usedBytes } }

  /// Makes a directory and the directories above it.
  public func makeDirectory(_ path: String) {
    state.withLock { state in
      var number = 0
      for name in path.split(separator: "/").map(String.init) where name != "." {
        switch state.directories[number].entries[name] {
        case .directory(let inner):
          state.directories[number].durable[name] = .directory(inner)
          number = inner
        case .file:
          return
        case nil:
          state.directories.append(SimulatedDirectoryState())
          let entry = SimulatedEntry.directory(state.directories.count - 1)
          state.directories[number].entries[name] = entry
          state.directories[number].durable[name] = entry
          number = state.directories.count - 1
        }
      }
    }
  }

  /// Makes or replaces a file. Those who have the old one open keep it.
  public func setContents(of path: String, to bytes: [UInt8]) throws(SystemError) {
    try put(SimulatedBytes(bytes), at: path)
  }

  /// Copies a file; what was not durable is in the copy.
  public func copyFile(_ source: String, to destination: String) throws(SystemError) {
    try put(try withFile(source) { $0.cache }, at: destination)
  }

  /// Takes a file away.
  public func deleteFile(_ path: String) throws(SystemError) {
    try state.withLock { state throws(SystemError) in
      _ = try Self.number(of: path, state)
      let place = try state.place(of: path, "unlink")
      state.directories[place.directory].entries[place.name] = nil
      state.directories[place.directory].durable[place.name] = nil
    }
  }

  /// Damages a file: sets bytes, and extends it where they reach beyond its end.
  public func overwrite(_ path: String, at offset: Int, with bytes: [UInt8]) throws(SystemError) {
    try change(path) { layer in
      bytes.withUnsafeBytes { layer.write($0, at: offset) }
    }
  }

  /// Damages a file: turns one bit of one byte round.
  public func flipBit(_ path: String, byte: Int, bit: Int = 0) throws(SystemError) {
    try change(path) { layer in
      layer.update(byte..<byte + 1) { [before = layer] in before.byte(at: $0) ^ (1 << UInt8(bit & 7)) }
    }
  }

  /// Damages a file: cuts it, or extends it with zeros.
  public func truncateFile(_ path: String, to size: Int) throws(SystemError) {
    try change(path) { $0.resize(to: size) }
  }

  private func withFile<Result: Sendable>(
    _ path: String, _ body: (SimulatedFileState) -> Result
  ) throws(SystemError) -> Result {
    try state.withLock { state throws(SystemError) in
      let number = try Self.number(of: path, state)
      guard let file = state.files[number] else { throw SystemError(code: ENOENT, call: "open", path: path) }
      return body(file)
    }
  }

  private func change(_ path: String, _ body: (inout SimulatedBytes) -> Void) throws(SystemError) {
    try state.withLock { state throws(SystemError) in
      let number = try Self.number(of: path, state)
      guard var file = state.files[number] else { return }
      let before = file.cache.count
      body(&file.cache)
      body(&file.durable)
      state.files[number] = file
      state.updateMappings(of: number, 0..<max(before, file.cache.count))
    }
  }

  private func put(_ bytes: SimulatedBytes, at path: String) throws(SystemError) {
    try state.withLock { state throws(SystemError) in
      if case .directory = try state.entry(at: path, "open") {
        throw SystemError(code: EISDIR, call: "open", path: path)
      }
      let place = try state.place(of: path, "open")
      var file = SimulatedFileState(path: path)
      file.cache = bytes
      file.durable = bytes
      state.files.append(file)
      state.directories[place.directory].entries[place.name] = .file(state.files.count - 1)
      state.directories[place.directory].durable[place.name] = .file(state.files.count - 1)
    }
  }

  private static func number(of path: String, _ state: SimulatedState) throws(SystemError) -> Int {
    switch try state.entry(at: path, "open") {
    case .file(let number): return number
    case .directory: throw SystemError(code: EISDIR, call: "open", path: path)
    case nil: throw SystemError(code: ENOENT, call: "open", path: path)
    }
  }
}

internal import Glibc

extension LinuxFileSystem {
  /// The names in a directory, in no order. The C functions are `opendir` and `readdir`.
  public func contentsOfDirectory(_ path: String) throws(SystemError) -> [String] {
    let descriptor = try openDirectory(path, "opendir")
    guard let stream = fdopendir(descriptor) else {
      let code = errno
      _ = Glibc.close(descriptor)
      throw SystemError(code: code, call: "opendir", path: path)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      // `readdir` answers nil at the end and on failure; only `errno` tells them apart.
      errno = 0
      guard let entry = readdir(stream) else {
        let code = errno
        if code != 0 { throw SystemError(code: code, call: "readdir", path: path) }
        return names
      }
      let name = Self.name(of: entry)
      if name != "." && name != ".." { names.append(name) }
    }
  }

  /// Makes one directory with mode 0700. The corresponding C function is `mkdir`.
  public func createDirectory(_ path: String) throws(SystemError) {
    _ = try call("mkdir", path) { mkdir($0, 0o700) }
  }

  /// Replaces `destination` atomically. The corresponding C function is `rename`.
  ///
  /// Not durable until ``synchronizeDirectory(_:)``.
  public func rename(_ source: String, to destination: String) throws(SystemError) {
    guard !destination.utf8.contains(0) else { throw SystemError(code: EINVAL, call: "rename", path: destination) }
    _ = try call("rename", source) { source in
      destination.withCString { Glibc.rename(source, $0) }
    }
  }

  /// Removes a file. The corresponding C function is `unlink`. Those who have it open keep it.
  public func remove(_ path: String) throws(SystemError) {
    _ = try call("unlink", path) { unlink($0) }
  }

  /// What a path names, symbolic links followed; `nil` when nothing is there. The corresponding C function is `stat`.
  ///
  /// Whatever is no directory counts as a file.
  public func kind(of path: String) throws(SystemError) -> FileKind? {
    var status = stat()
    do throws(SystemError) {
      _ = try call("stat", path) { stat($0, &status) }
    } catch {
      if error.code == ENOENT || error.code == ENOTDIR { return nil }
      throw error
    }
    return status.st_mode & S_IFMT == S_IFDIR ? .directory : .file
  }

  /// Makes the names in a directory durable. The corresponding C function is `fsync`. Blocks on the device.
  public func synchronizeDirectory(_ path: String) throws(SystemError) {
    let descriptor = try openDirectory(path, "open")
    let result = fsync(descriptor)
    let code = errno
    let closed = Glibc.close(descriptor)
    let closeCode = errno
    if result != 0 { throw SystemError(code: code, call: "fsync", path: path) }
    if closed != 0 { throw SystemError(code: closeCode, call: "close", path: path) }
  }

  /// A relative path behind the working directory as it is now. The corresponding C function is `getcwd`.
  public func absolutePath(of path: String) throws(SystemError) -> String {
    guard !path.hasPrefix("/") else { return path }
    // Without a buffer the C library makes one that is large enough.
    guard let current = getcwd(nil, 0) else { throw SystemError(code: errno, call: "getcwd", path: path) }
    defer { free(current) }
    return String(cString: current) + "/" + path
  }

  /// An entry's name, read in place: a copy of the imported structure could be cut, or read past the entry's end.
  private static func name(of entry: UnsafeMutablePointer<dirent>) -> String {
    guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { return "" }
    let start = UnsafeRawPointer(entry) + offset
    return String(cString: start.assumingMemoryBound(to: CChar.self))
  }

  private func openDirectory(_ path: String, _ name: String) throws(SystemError) -> Int32 {
    try call(name, path) { Glibc.open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
  }
}

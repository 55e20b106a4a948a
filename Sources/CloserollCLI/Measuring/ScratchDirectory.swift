import Glibc

/// The directory that measurements are made in: a new one, removed at the end and when a signal ends the process; or one
/// that stays.
final class ScratchDirectory {
  let path: String
  private let stays: Bool

  /// Makes one that is removed.
  ///
  /// - Parameter parent: where; it is made if it is not there, and stays. `nil` for the operating system's place.
  init(in parent: String?) throws {
    if let parent { try Self.make(parent) }
    let parent = parent ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    path = try Interruption.makeDirectory {
      var template = Array("\(parent)/closeroll-XXXXXX".utf8CString)
      guard mkdtemp(&template) != nil else { throw Self.failure(parent) }
      return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    stays = false
  }

  /// One that stays, with all that is made in it. It is made if it is not there.
  init(keeping path: String) throws {
    try Self.make(path)
    self.path = path
    stays = true
  }

  deinit { if !stays { Interruption.removeDirectory(path) } }

  private static func make(_ path: String) throws {
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure(path) }
  }

  /// A path in the directory at which there is nothing.
  ///
  /// - Throws: a ``Failure`` if there is something that was not made here.
  func fresh(_ name: String) throws -> String {
    let result = "\(path)/\(name)"
    guard access(result, F_OK) != 0 else {
      throw Failure(.inputOutput, "\(result) is there already: remove it, or choose another --directory.")
    }
    return result
  }

  private static func failure(_ path: String) -> Failure {
    Failure(.inputOutput, "The directory \(path) cannot be made: \(String(cString: strerror(errno))).")
  }

  /// Removes a file, or a directory with all that is in it. Follows no links.
  static func remove(_ path: String) {
    // `opendir` would follow a link.
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    if descriptor >= 0, let directory = fdopendir(descriptor) {
      for name in names(directory) { remove("\(path)/\(name)") }
      closedir(directory)
      rmdir(path)
    } else {
      if descriptor >= 0 { close(descriptor) }
      unlink(path)
    }
  }

  /// The files in a directory, with their contents' sizes.
  static func files(_ path: String) -> [(name: String, size: UInt64)] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    return names(directory).compactMap { name in
      var status = stat()
      guard lstat("\(path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
      return (name, UInt64(status.st_size))
    }
  }

  /// Copies the files of a directory, as a process that was killed would leave them.
  static func copy(_ source: String, to destination: String) throws {
    guard mkdir(destination, 0o700) == 0 else { throw failure(destination) }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    for (name, _) in files(source) {
      let input = open("\(source)/\(name)", O_RDONLY | O_CLOEXEC)
      let output = open("\(destination)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      defer {
        close(input)
        close(output)
      }
      guard input >= 0, output >= 0 else { throw failure("\(destination)/\(name)") }
      while true {
        let count = read(input, &buffer, buffer.count)
        if count == 0 { break }
        guard count > 0, write(output, buffer, count) == count else { throw failure("\(destination)/\(name)") }
      }
    }
  }

  private static func names(_ directory: OpaquePointer) -> [String] {
    var result: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { result.append(name) }
    }
    return result
  }
}

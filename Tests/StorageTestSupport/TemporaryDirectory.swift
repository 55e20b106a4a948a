internal import Glibc
internal import SegmentStorage

/// A new directory of the operating system's, removed with all that is in it when the last reference goes.
public final class TemporaryDirectory: Sendable {
  /// The directory's path, without a slash at the end.
  public let path: String

  /// Makes a directory below `TMPDIR`, or else `/tmp`.
  public init() throws {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/closeroll-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw SystemError(code: errno, call: "mkdtemp", path: parent)
    }
    path = template.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
  }

  deinit { Self.removeAll(path) }

  private static func removeAll(_ path: String) {
    let files = LinuxFileSystem()
    // What cannot be removed stays behind: a test is not the place to fail for it.
    for name in (try? files.contentsOfDirectory(path)) ?? [] {
      if unlink("\(path)/\(name)") != 0 { removeAll("\(path)/\(name)") }
    }
    _ = rmdir(path)
  }
}

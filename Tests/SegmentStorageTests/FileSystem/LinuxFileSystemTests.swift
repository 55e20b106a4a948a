import Glibc
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// What only the operating system's files have.
@Suite("Linux file system")
struct LinuxFileSystemTests {
  @Test("files and directories are the owner's alone, and closed on exec")
  func modes() throws {
    let directory = try TemporaryDirectory()
    let files = LinuxFileSystem()
    // Whatever the process lets others do.
    let mask = umask(0)
    defer { umask(mask) }
    let file = try files.open("\(directory.path)/f", .create)
    try files.createDirectory("\(directory.path)/d")
    var status = stat()
    #expect(stat("\(directory.path)/f", &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(stat("\(directory.path)/d", &status) == 0)
    #expect(status.st_mode & 0o777 == 0o700)
    try file.close()
  }

  @Test("a path with a zero byte is refused, not cut")
  func zeroByte() throws {
    let directory = try TemporaryDirectory()
    let files = LinuxFileSystem()
    try files.open("\(directory.path)/f", .create).close()
    #expect(errorCode { try files.open("\(directory.path)/f\0g", .read) } == EINVAL)
    #expect(errorCode { try files.remove("\(directory.path)/f\0g") } == EINVAL)
    #expect(errorCode { try files.rename("\(directory.path)/f", to: "\(directory.path)/x\0y") } == EINVAL)
    #expect(try files.contentsOfDirectory(directory.path) == ["f"])
  }

  @Test("a relative path is taken from the working directory")
  func absolutePaths() throws {
    let files = LinuxFileSystem()
    #expect(try files.absolutePath(of: "/a/b") == "/a/b")
    let current = try #require(getcwd(nil, 0))
    defer { free(current) }
    #expect(try files.absolutePath(of: "a/b") == String(cString: current) + "/a/b")
  }

  @Test("a descriptor that cannot be moved away from the standard streams is closed")
  func unmovable() throws {
    let directory = try TemporaryDirectory()
    let files = LinuxFileSystem()
    let path = "\(directory.path)/f"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    var (before, after) = (stat(), stat())
    #expect(fstat(descriptor, &before) == 0)
    #expect(errorCode { try files.move(descriptor, to: Int32.max, path) } == EINVAL)
    // Another test may have been given its number meanwhile.
    #expect(fstat(descriptor, &after) != 0 || after.st_ino != before.st_ino)
  }

  @Test("a descriptor is moved with its file, and closed on exec")
  func moved() throws {
    let directory = try TemporaryDirectory()
    let files = LinuxFileSystem()
    let path = "\(directory.path)/f"
    let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
    var (before, after) = (stat(), stat())
    #expect(fstat(descriptor, &before) == 0)
    let moved = try files.move(descriptor, to: 500, path)
    defer { close(moved) }
    #expect(moved >= 500)
    #expect(fcntl(moved, F_GETFD) == FD_CLOEXEC)
    #expect(fstat(moved, &after) == 0 && after.st_ino == before.st_ino)
    #expect(fstat(descriptor, &after) != 0 || after.st_ino != before.st_ino)
  }

  @Test("errors name the call and the path")
  func errorText() throws {
    let directory = try TemporaryDirectory()
    do {
      _ = try LinuxFileSystem().open("\(directory.path)/absent", .read)
      Issue.record("An absent file was opened.")
    } catch {
      #expect(error.isNotFound)
      #expect(error.call == "open")
      #expect(error.description.contains("\(directory.path)/absent"))
      #expect(error.description.contains("No such file"))
    }
  }

  @Test("descriptors and mappings go with the last reference")
  func release() throws {
    let directory = try TemporaryDirectory()
    let files = LinuxFileSystem()
    let path = "\(directory.path)/f"
    try files.open(path, .create).write("x")
    // Far more than a process may have open at once.
    for _ in 0..<5_000 {
      let mapping = try files.open(path, .read).map(length: 1)
      #expect(mapping?.start.load(as: UInt8.self) == UInt8(ascii: "x"))
    }
  }

  @Test("close waits for calls, and turns later ones away")
  func closeWhileReading() async throws {
    let directory = try TemporaryDirectory()
    let files = LinuxFileSystem()
    let path = "\(directory.path)/f"
    try files.open(path, .create).write("right")
    let other = try files.open("\(directory.path)/g", .create)
    try other.write("wrong")
    for _ in 0..<50 {
      let file = try files.open(path, .readWrite)
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<3 {
          group.addTask {
            while true {
              // Lets the closing task run, however few threads there are.
              await Task.yield()
              do {
                let text = try file.text(5)
                #expect(text == "right")
              } catch {
                #expect((error as? SystemError)?.code == EBADF)
                return
              }
            }
          }
        }
        group.addTask {
          #expect(errorCode { try file.close() } == nil)
          // Takes the freed number: a read that came too late would see this file's bytes.
          _ = try? files.open("\(directory.path)/g", .read)
        }
      }
    }
  }

  @Test("writes beyond the limit of the process are reported")
  func tooLarge() throws {
    let directory = try TemporaryDirectory()
    let file = try LinuxFileSystem().open("\(directory.path)/f", .create)
    #expect(errorCode { try file.truncate(to: UInt64(Int64.max)) } == EFBIG)
  }
}

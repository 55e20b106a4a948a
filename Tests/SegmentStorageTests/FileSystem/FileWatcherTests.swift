import Glibc
import SegmentStorage
import StorageTestSupport
import Testing

@Suite("File watcher")
struct FileWatcherTests {
  @Test("reports writes, also those before the wait, and the end of the file")
  func events() throws {
    let directory = try TemporaryDirectory()
    let files = LinuxFileSystem()
    let path = "\(directory.path)/HEAD"
    #expect(errorCode { try FileWatcher(path) } == ENOENT)
    let file = try files.open(path, .create)
    let watcher = try FileWatcher(path)
    #expect(try watcher.wait(milliseconds: 0) == .timedOut)
    try file.write("1")
    try file.write("2")
    #expect(try watcher.wait(milliseconds: 10_000) == .touched)
    #expect(try watcher.wait(milliseconds: 10) == .timedOut)
    _ = try file.text()
    #expect(try watcher.wait(milliseconds: 0) == .timedOut, "Reading wakes nobody.")
    try file.close()
    try files.remove(path)
    #expect(try watcher.wait(milliseconds: 10_000) == .gone)
  }

  @Test("a wait ends when another thread writes")
  func wakes() async throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/HEAD"
    let file = try LinuxFileSystem().open(path, .create)
    let watcher = try FileWatcher(path)
    async let event = watcher.wait(milliseconds: 20_000)
    try file.write("1")
    #expect(try await event == .touched)
  }
}

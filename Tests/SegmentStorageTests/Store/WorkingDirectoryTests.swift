import StorageTestSupport
import Synchronization
import Testing

@testable import SegmentStorage

/// A store that was opened by a relative path, while the process goes to another directory.
@Suite struct WorkingDirectoryTests {
  /// Files that are looked up from a working directory of its own: the process's is every test's.
  private final class MovingFileSystem: FileSystem {
    private let base = LinuxFileSystem()
    private let current: Synchronization.Mutex<String>

    init(_ directory: String) { current = Synchronization.Mutex(directory) }

    func move(to directory: String) { current.withLock { $0 = directory } }

    private func path(_ path: String) -> String { path.hasPrefix("/") ? path : current.withLock { $0 } + "/" + path }

    func open(_ path: String, _ access: FileAccess) throws(SystemError) -> any File {
      try base.open(self.path(path), access)
    }
    func contentsOfDirectory(_ path: String) throws(SystemError) -> [String] {
      try base.contentsOfDirectory(self.path(path))
    }
    func createDirectory(_ path: String) throws(SystemError) { try base.createDirectory(self.path(path)) }
    func rename(_ source: String, to destination: String) throws(SystemError) {
      try base.rename(path(source), to: path(destination))
    }
    func remove(_ path: String) throws(SystemError) { try base.remove(self.path(path)) }
    func kind(of path: String) throws(SystemError) -> FileKind? { try base.kind(of: self.path(path)) }
    func synchronizeDirectory(_ path: String) throws(SystemError) { try base.synchronizeDirectory(self.path(path)) }
    func absolutePath(of path: String) throws(SystemError) -> String { self.path(path) }
    func monotonicNanoseconds() -> UInt64 { base.monotonicNanoseconds() }
    func wallClockMicroseconds() -> Int64 { base.wallClockMicroseconds() }
    func fillRandom(_ buffer: UnsafeMutableRawBufferPointer) throws(SystemError) { try base.fillRandom(buffer) }
  }

  @Test func staysWhereItWasOpened() throws {
    let directory = try TemporaryDirectory()
    let files = MovingFileSystem(directory.path + "/a")
    for name in ["a", "b"] { try files.createDirectory("\(directory.path)/\(name)") }
    var fixture = StoreFixture(files)
    fixture.options.segmentSize = 64 << 10
    // One of the same name stands where the process goes.
    files.move(to: directory.path + "/b")
    let other = try fixture.open()
    try other.put(try other.partition(application: "ward"), 1, 0...2)
    try other.close()
    files.move(to: directory.path + "/a")
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    let reader = try fixture.open(.read)
    files.move(to: directory.path + "/b")
    for number in 0..<90 { try CrashPointTests.put(store, ward, number) }
    #expect(try store.statistics().segments > 2)
    #expect(try reader.refresh())
    #expect(try reader.notifications(try reader.partition(application: "ward")).count == 270)
    try reader.close()
    try store.close()
    for (path, count) in [("a", 270), ("b", 3)] {
      files.move(to: "\(directory.path)/\(path)")
      let found = try fixture.open(.read)
      #expect(try found.notifications(try found.partition(application: "ward")).count == count)
      try found.close()
    }
  }
}

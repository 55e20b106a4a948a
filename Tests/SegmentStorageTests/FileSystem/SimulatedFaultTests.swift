import Glibc
import SegmentStorage
import StorageTestSupport
import Synchronization
import Testing

/// Failures that the simulated file system is told to produce.
@Suite("Simulated faults")
struct SimulatedFaultTests {
  private func makeFiles() throws -> (SimulatedFileSystem, any File) {
    let files = SimulatedFileSystem(seed: 3, directories: ["store"])
    let file = try files.open("store/f", .create)
    try file.write("old!")
    try file.synchronize()
    try files.synchronizeDirectory("store")
    files.clearTrace()
    return (files, file)
  }

  @Test("the n-th call of a kind fails, once")
  func once() throws {
    let (files, file) = try makeFiles()
    files.inject(.noSpace(on: .write, path: "f", occurrence: 2))
    try file.write("1")
    #expect(errorCode { try file.write("2") } == ENOSPC)
    try file.write("3", at: 1)
    #expect(files.faults.isEmpty)
    #expect(files.trace.map(\.error) == [nil, ENOSPC, nil])
    #expect(try file.text() == "13d!")
  }

  @Test("a permanent fault stays until it is removed")
  func permanent() throws {
    let (files, file) = try makeFiles()
    files.inject(.ioError(path: "f", occurrence: 2, isPermanent: true))
    #expect(try file.size() == 4)
    for _ in 0..<3 { #expect(errorCode { try file.size() } == EIO) }
    #expect(errorCode { try file.bytes(1) } == EIO)
    #expect(try files.kind(of: "store") == .directory, "Another path.")
    files.removeFaults()
    #expect(try file.size() == 4)
  }

  @Test("paths choose")
  func paths() throws {
    let (files, file) = try makeFiles()
    let other = try files.open("store/HEAD", .create)
    files.inject(.overQuota(on: .write, path: "HEAD"))
    try file.write("x")
    #expect(errorCode { try other.write("x") } == EDQUOT)
    files.inject(.ioError(on: .rename, path: "segment"))
    #expect(errorCode { try files.rename("store/HEAD", to: "store/segment") } == EIO)
    #expect(try files.kind(of: "store/HEAD") == .file)
  }

  @Test("interrupted and short calls are finished by their callers")
  func interrupted() throws {
    let (files, file) = try makeFiles()
    files.inject(.interrupted(on: .write))
    files.inject(.short(3, on: .write, occurrence: 2))
    files.inject(.short(2, on: .read))
    files.inject(.interrupted(on: .read, occurrence: 2))
    try file.write("0123456789")
    #expect(try file.bytes(10) == Array("0123456789".utf8))
    let lengths = files.trace.filter { $0.kind == .write }.map(\.length)
    #expect(lengths == [10, 10, 7])
  }

  @Test("a failed flush leaves its pages as told", arguments: FailedSynchronize.allCases)
  func failedSynchronize(_ behaviour: FailedSynchronize) throws {
    let (files, file) = try makeFiles()
    files.failedSynchronize = behaviour
    try file.write("newer")
    files.inject(.ioError(on: .synchronize))
    #expect(errorCode { try file.synchronize() } == EIO)
    let shown = behaviour == .cacheReverts ? "old!" : "newer"
    #expect(try file.text() == shown)
    #expect(try files.durableContents(of: "store/f") == Array("old!".utf8))
    #expect(try files.clone().open("store/f", .read).text() == shown)
    try file.synchronize()
    let durable = behaviour == .staysDirty ? "newer" : "old!"
    #expect(try files.crashed(.allKept).contents(of: "store/f") == Array(durable.utf8))
    #expect(try file.text() == shown)
  }

  @Test("after a failed flush, later writes do not carry the earlier ones along")
  func laterWrites() throws {
    let (files, file) = try makeFiles()
    try file.write("new!AAAA")
    files.inject(SimulatedFault(.failedSynchronize(ENOSPC, .cacheKeepsNew), on: .synchronize))
    #expect(errorCode { try file.synchronize() } == ENOSPC)
    try file.write("BBBB", at: 8)
    try file.synchronize()
    #expect(try file.text() == "new!AAAABBBB")
    #expect(try files.crashed(.allLost).contents(of: "store/f") == Array("old!\0\0\0\0BBBB".utf8))
  }

  @Test("an interrupted flush has lost nothing")
  func interruptedFlush() throws {
    let (files, file) = try makeFiles()
    try file.write("new!")
    files.inject(.interrupted(on: .synchronize))
    #expect(errorCode { try file.synchronize() } == EINTR)
    try file.synchronize()
    #expect(try files.durableContents(of: "store/f") == Array("new!".utf8))
  }

  @Test("a full device takes what fits, and more when there is room again")
  func capacity() throws {
    let (files, file) = try makeFiles()
    files.maximumBytes = 8
    let bytes = Array("0123456789".utf8)
    #expect(try bytes.withUnsafeBytes { try file.write($0, at: 2) } == 6)
    #expect(try file.text() == "ol012345")
    #expect(errorCode { try file.write("x", at: 8) } == ENOSPC)
    #expect(errorCode { try file.truncate(to: 9) } == ENOSPC)
    #expect(errorCode { try files.open("store/g", .create).write("x") } == ENOSPC)
    try file.write("yes", at: 0)
    try file.truncate(to: 4)
    try files.open("store/g", .create).write("wxyz")
    #expect(files.usedBytes == 8)
    #expect(errorCode { try file.write("x", at: 4) } == ENOSPC)
    try files.remove("store/g")
    try file.write("more", at: 4)
    files.maximumBytes = nil
    try file.write("and more", at: 8)
  }

  @Test("every call of a piece of work can be made to fail")
  func everyCall() throws {
    func work(_ files: SimulatedFileSystem) throws {
      let file = try files.open("store/f", .create)
      _ = try file.tryLock()
      _ = try file.size()
      try file.truncate(to: 2)
      try file.synchronize()
      _ = try files.contentsOfDirectory("store")
      try files.rename("store/f", to: "store/g")
      try files.synchronizeDirectory("store")
      try files.remove("store/g")
      try file.close()
    }
    let (files, _) = try makeFiles()
    let whole = files.clone()
    try work(whole)
    #expect(whole.callCount == 10)
    for number in 1...whole.callCount {
      let trial = files.clone()
      trial.inject(.ioError(occurrence: number))
      #expect(errorCode { try work(trial) } == EIO)
      #expect(trial.trace.firstIndex { $0.error == EIO } == number - 1)
    }
  }

  @Test("the trace tells calls apart")
  func trace() throws {
    let (files, file) = try makeFiles()
    try file.write("x", at: 7)
    try file.synchronize()
    try files.rename("store/f", to: "store/g")
    _ = try files.open("store/h", .create)
    _ = try files.open("store/h", .create)
    #expect(
      files.trace.map(\.description) == [
        "write store/f 7+1", "synchronize store/f", "rename store/f -> store/g", "open store/h", "open store/h",
      ])
    #expect(files.trace.map(\.isMutating) == [true, true, true, true, false])
    try file.synchronize()
    #expect(files.trace.last?.path == "store/g")
    files.isTracing = false
    try file.synchronize()
    #expect(files.trace.count == 6)
  }

  @Test("a hook sees each call before it happens")
  func hook() throws {
    let (files, file) = try makeFiles()
    let seen = Seen()
    files.beforeEachCall { call in seen.add("\(call.kind) \(files.usedBytes)") }
    try file.write("01234567")
    try file.synchronize()
    files.beforeEachCall(nil)
    try file.synchronize()
    #expect(seen.texts == ["write 4", "synchronize 8"])
  }

  @Test("the clock is the test's")
  func clock() throws {
    let files = SimulatedFileSystem()
    files.nanosecondsPerCall = 10
    let start = files.monotonicNanoseconds()
    let wall = files.wallClockMicroseconds()
    files.advance(by: .seconds(3_600))
    #expect(files.monotonicNanoseconds() == start + 3_600_000_000_020)
    #expect(files.wallClockMicroseconds() == wall + 3_600_000_000)
  }
}

/// What a hook has seen.
private final class Seen: Sendable {
  private let state = Mutex<[String]>([])
  var texts: [String] { state.withLock { $0 } }
  func add(_ text: String) { state.withLock { $0.append(text) } }
}

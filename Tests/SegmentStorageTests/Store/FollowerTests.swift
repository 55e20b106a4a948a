import StorageTestSupport
import Synchronization
import Testing

@testable import SegmentStorage

/// A store that is opened for reading beside its writer.
@Suite struct FollowerTests {
  @Test(arguments: [true, false])
  func followsOverRolls(sealed: Bool) throws {
    let directory = try TemporaryDirectory()
    var fixture = StoreFixture(LinuxFileSystem(), path: "\(directory.path)/store", isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.hasMaintenanceThread = true
    fixture.options.writesZerosAhead = true
    let writer = try fixture.open()
    let ward = try writer.partition(application: "ward")
    let reader = try fixture.open(.read)
    #expect(reader.openReport.hasWriter)
    let sameWard = try reader.partition(application: "ward")
    let follower = reader.makeNotificationReader(sameWard)
    var seen: [Int64] = []
    for number in 0..<90 {
      try CrashPointTests.put(writer, ward, number)
      if number % 4 == 3 {
        #expect(try reader.refresh())
        try follower.read {
          #expect($0.state.elementsEqual(CrashPointTests.noise(Int($0.id - 1) / 3, Int($0.position))))
          seen.append($0.id)
          return true
        }
        #expect(seen == Array(1...Int64(number * 3 + 3)))
        #expect(try reader.states(sameWard, number / 2).count == 3)
      }
    }
    #expect(try writer.statistics().segments > 2)
    #expect(try !reader.wait(milliseconds: 20) || reader.lastNotificationID(sameWard) == 270)
    let thread = EngineThread { try? CrashPointTests.put(writer, ward, 90) }
    #expect(try reader.wait(milliseconds: 20_000))
    thread.join()
    #expect(reader.lastNotificationID(sameWard) == 273)
    #expect(throws: StorageError.self) { try reader.put(sameWard, 1, 0...0) }
    // A second writer is refused while the first one lives, and nothing is waited for.
    #expect(try storageCode { _ = try fixture.open(.write) } == .locked)
    try writer.close()
    let next = try fixture.open(.write)
    try CrashPointTests.put(next, try next.partition(application: "ward"), 91)
    #expect(try reader.refresh())
    #expect(reader.lastNotificationID(sameWard) == 276)
    try next.close()
    try reader.close()
  }

  /// What is written and not flushed is seen by the writer's own reads by originator, and by nobody else.
  @Test func neverPassesTheDurableMark() throws {
    let files = SimulatedFileSystem(seed: 3)
    var fixture = StoreFixture(files)
    fixture.options.durability = .none
    let writer = try fixture.open()
    let ward = try writer.partition(application: "ward")
    try writer.put(ward, 1, 0...1)
    try writer.flush()
    let reader = try fixture.open(.read)
    let sameWard = try reader.partition(application: "ward")
    try writer.put(ward, 1, 2...3)
    try reader.refresh()
    #expect(try writer.states(ward, 1).count == 4)
    #expect(writer.lastNotificationID(ward) == 2)
    #expect(try writer.notifications(ward).count == 2)
    #expect(try reader.states(sameWard, 1).count == 2)
    #expect(try reader.notifications(sameWard).count == 2)
    try writer.flush()
    #expect(writer.lastNotificationID(ward) == 4)
    #expect(try reader.refresh())
    #expect(try reader.notifications(sameWard).count == 4)
    // A deletion that is not durable may yet never have been.
    let deletion = writer.makeCommit()
    try deletion.deleteRecord(of: ward, originator: originator(1), position: 0)
    try writer.append(deletion)
    #expect(try writer.states(ward, 1).count == 3)
    #expect(try writer.notifications(ward).map(\.0) == [1, 2, 3, 4])
    try writer.flush()
    #expect(try writer.notifications(ward).map(\.0) == [2, 3, 4])
    try writer.close()
    try reader.close()
  }

  /// A writer that comes between two looks of a reader, and writes without flushing.
  @Test(arguments: [true, false])
  func aWriterThatComesMeanwhileIsNotOvertaken(opens: Bool) throws {
    let files = SimulatedFileSystem(seed: 3)
    var fixture = StoreFixture(files)
    fixture.options.durability = .none
    let first = try fixture.open()
    try first.put(try first.partition(application: "ward"), 1, 0...1)
    try first.close()
    let before = try fixture.open(.read)
    let came = Synchronization.Mutex<SegmentStore?>(nil)
    let comes = Synchronization.Mutex(true)
    files.beforeEachCall { [fixture] call in
      // The reader has heard that nobody writes.
      guard call.path.hasSuffix(".log") || call.path.hasSuffix("HEAD"), call.kind == .size || call.kind == .read,
        comes.withLock({ $0 && files.trace.last?.kind == .lockQuery })
      else { return }
      comes.withLock { $0 = false }
      came.withLock {
        $0 = try? fixture.open(.write)
        if let writer = $0, let ward = try? writer.partition(application: "ward") {
          _ = try? writer.put(ward, 2, 0...3)
        }
      }
    }
    if !opens { try before.refresh() }
    let reader = opens ? try fixture.open(.read) : before
    files.beforeEachCall(nil)
    #expect(try reader.notifications(try reader.partition(application: "ward")).count == 2)
    try came.withLock { try $0?.close() }
    try reader.close()
  }

  /// A reader leaves every file as it is, and works where nothing can be written.
  @Test(arguments: [true, false])
  func readsOnReadOnlyMedia(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files, isSealed: sealed)
    let writer = try fixture.open()
    try writer.put(try writer.partition(application: "ward"), 1, 0...9)
    let left = files.clone()
    try writer.close()
    for store in [files, left] {
      let before = store.allContents()
      store.crashAfter(operation: 0)
      let reader = try fixture.over(store).open(.read)
      #expect(try reader.notifications(try reader.partition(application: "ward")).count == 10)
      try reader.close()
      #expect(store.allContents() == before)
    }
  }

  /// A root key that came while the reader was open is taken from the key ring when its first epoch is met.
  @Test func followsOverANewRootKey() throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files)
    let writer = try fixture.open()
    try writer.put(try writer.partition(application: "ward"), 1, 0...1)
    let reader = try fixture.open(.read)
    let ward = try reader.partition(application: "ward")
    #expect(try reader.notifications(ward).count == 2)
    try writer.close()
    try StoreFixture.addRootKey(to: files)
    let next = try fixture.open(.write)
    try next.put(try next.partition(application: "ward"), 1, 2...4)
    #expect(try reader.refresh())
    #expect(try reader.notifications(ward).map(\.0) == [1, 2, 3, 4, 5])
    try next.close()
    try reader.close()
  }

  /// The index of a finished segment leaves memory when its writer has made the run; of a reader that lags, on its way: what
  /// stops it short of the end leaves nothing behind.
  @Test(arguments: [false, true])
  func takesOverTheRunsOfItsWriter(lagging: Bool) throws {
    let files = SimulatedFileSystem(seed: 3)
    var fixture = StoreFixture(files)
    fixture.options.segmentSize = 64 << 10
    let writer = try fixture.open()
    let ward = try writer.partition(application: "ward")
    let reader = try fixture.open(.read)
    for number in 0..<90 {
      try CrashPointTests.put(writer, ward, number)
      if !lagging { try reader.refresh() }
    }
    if lagging {
      let last = try #require(writer.view.sealed.last)
      try files.flipBit("store/\(last.segment.name)", byte: last.end - 60)
      #expect(try storageCode { _ = try reader.refresh() } == .damaged)
    }
    let sealed = reader.view.sealed
    #expect(sealed.count > 1)
    for segment in sealed { #expect(try Self.isIndexedByRun(segment), "\(segment.segment.name)") }
    try writer.close()
    try reader.close()
  }

  private static func isIndexedByRun(_ segment: SealedSegment) throws -> Bool {
    try segment.loadIndex().parts.allSatisfy { if case .run = $0 { true } else { false } }
  }

  /// The reader may come to the end of a segment before the writer has made its run.
  @Test func takesOverARunThatComesLater() throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files)
    let writer = try fixture.open()
    let ward = try writer.partition(application: "ward")
    try writer.put(ward, 1, 0...1)
    let reader = try fixture.open(.read)
    try writer.writer?.exclusively { () throws(StorageError) in try writer.writer?.roll() }
    try writer.put(ward, 1, 2...3)
    let run = "store/" + RunFormat.fileName(ordinal: 1, partialEnd: nil)
    let content = try files.contents(of: run)
    try files.deleteFile(run)
    #expect(try reader.refresh())
    let segment = try #require(reader.view.sealed.first)
    #expect(try !Self.isIndexedByRun(segment))
    try files.setContents(of: run, to: content)
    try writer.put(ward, 1, 4...5)
    #expect(try reader.refresh())
    #expect(try Self.isIndexedByRun(segment))
    #expect(try reader.states(try reader.partition(application: "ward"), 1).count == 6)
    try writer.close()
    try reader.close()
  }

  /// A finished segment that was damaged before the reader came to it is an error, whatever follows.
  @Test(arguments: [true, false])
  func damageInAFinishedSegmentIsTold(sealed: Bool) throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files, isSealed: sealed)
    let writer = try fixture.open()
    let partition = try writer.partition(application: "ward")
    try writer.put(partition, 1, 0...1)
    let reader = try fixture.open(.read)
    let ward = try reader.partition(application: "ward")
    let name = "store/" + Segment.fileName(ordinal: 1, generation: 1)
    let start = try files.contents(of: name).count
    try writer.put(partition, 1, 2...3)
    try writer.put(partition, 1, 4...5)
    try writer.writer?.exclusively { () throws(StorageError) in try writer.writer?.roll() }
    try writer.put(partition, 1, 6...7)
    try files.flipBit(name, byte: start + 60, bit: 3)
    #expect(try storageCode { _ = try reader.refresh() } == .damaged)
    #expect(try reader.notifications(ward).count == 2)
    try writer.close()
    try reader.close()
  }

  @Test func waitingForANotificationEnds() async throws {
    let files = SimulatedFileSystem(seed: 3)
    let fixture = StoreFixture(files)
    let writer = try fixture.open()
    let partition = try writer.partition(application: "ward")
    let reader = try fixture.open(.read)
    let ward = try reader.partition(application: "ward")
    for (head, store, waited) in [(Int64(0), writer, partition), (1, reader, ward)] {
      try reader.refresh()
      // By the notification,
      let task = Task { try await store.waitForNotification(waited, after: head) }
      try await Task.sleep(for: .milliseconds(20))
      try writer.put(partition, 1, Int(head)...Int(head))
      try await task.value
      #expect(store.lastNotificationID(waited) == head + 1)
      try await store.waitForNotification(waited, after: head)
      // and by the end of the task, before and while it waits.
      let never = Task { try await store.waitForNotification(waited, after: 1000) }
      try await Task.sleep(for: .milliseconds(20))
      never.cancel()
      try await never.value
      let cancelled = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        try await store.waitForNotification(waited, after: 1000)
      }
      try await cancelled.value
    }
    let last = Task { try await writer.waitForNotification(partition, after: 1000) }
    try await Task.sleep(for: .milliseconds(20))
    try writer.close()
    try await last.value
    try reader.close()
  }
}

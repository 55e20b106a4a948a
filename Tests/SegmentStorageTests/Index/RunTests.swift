import Glibc
import StorageTestSupport
import Synchronization
import Testing

@testable import SegmentStorage

@Suite struct RunTests {
  /// A store with one finished segment that has many originators, and its path.
  static func store(_ count: Int, on files: SimulatedFileSystem) throws -> (SegmentStore, Partition) {
    var fixture = StoreFixture(files)
    fixture.options.segmentSize = 1 << 20
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    var number = 0
    while number < count {
      let commit = store.makeCommit()
      for _ in 0..<100 {
        let state = stateBytes(number, 0)
        try state.withUnsafeBytes { state in
          try commit.add(
            to: ward, originator: originator(number), position: 0, topic: UnsafeRawBufferPointer(start: nil, count: 0),
            state: state)
        }
        number += 1
      }
      try store.append(commit)
    }
    return (store, ward)
  }

  /// The run of the active segment's first part is a piece of its index when the segment is finished.
  @Test func aDamagedPartialRunDoesNotStopRolling() throws {
    let files = SimulatedFileSystem(seed: 4)
    let (first, _) = try Self.store(1000, on: files)
    try first.writer?.writePartialRun(ifLongerThan: 0)
    try first.close()
    let store = try StoreFixture(files).open(.write)
    let ward = try store.partition(application: "ward")
    let writer = try #require(store.writer)
    #expect(store.view.activeCovered != nil)
    let run = "store/" + (try #require(try files.contentsOfDirectory("store").first { $0.contains("@") }))
    // A page of originators: nobody looks at it while only new ones come.
    try files.overwrite(run, at: 4096, with: [UInt8](repeating: 0x55, count: 4096))
    for number in 1000..<1004 {
      try store.put(ward, number, 0...0)
      try writer.exclusively { () throws(StorageError) in try writer.roll() }
    }
    #expect(store.view.sealed.count == 4)
    for number in [0, 500, 999, 1001] { #expect(try store.states(ward, number).count == 1) }
    try store.close()
    var options = StoreOptions()
    options.fileSystem = files
    let report = try SegmentStore.verify("store", key: StoreFixture.provider(), options: options)
    #expect(report.isClean && report.events == 1004, "\(report)")
  }

  @Test func filterSpreadsOverItsBlocks() {
    var seen = Set<Int>()
    for number in 0..<4096 {
      let fingerprint = (UInt64(number) << 52) | 12345
      let block = RunFormat.filterBits(fingerprint, blocks: 64).block
      #expect(block == number / 64)
      seen.insert(block)
    }
    #expect(seen.count == 64)
  }

  /// The filter of every run answers "maybe" for all that is there, and "no" for nearly all that is not.
  @Test func filterTellsWhatIsNotThere() throws {
    let (store, _) = try Self.store(30_000, on: SimulatedFileSystem(seed: 1))
    defer { try? store.close() }
    let keys = store.context.keys.index
    let application = Array("ward".utf8)
    var runs = 0
    var indexed = 0
    for segment in store.view.sealed {
      for case .run(let run) in try segment.loadIndex().parts {
        runs += 1
        var maybe = 0
        for number in 0..<60_000 {
          let fingerprint = application.withUnsafeBytes {
            keys.fingerprint(.event, application: $0, originator(number))
          }
          var places = ContiguousArray<RecordLocation>()
          try run.collect(fingerprint, into: &places)
          let may = try run.mayContain(fingerprint)
          if !places.isEmpty { indexed += 1 } else if may { maybe += 1 }
          #expect(may || places.isEmpty)
        }
        #expect(maybe < 60_000 / 20, "\(maybe) of those that are not there")
      }
    }
    #expect(runs > 0 && indexed > 10_000)
  }

  /// A run that another version wrote is not trusted, but written anew.
  @Test func runOfAnotherVersion() throws {
    let files = SimulatedFileSystem(seed: 2)
    let (store, _) = try Self.store(30_000, on: files)
    try store.close()
    let name = "index-00000001-00000001.run"
    let file = try files.open("store/\(name)", .readWrite)
    try [UInt8(1)].withUnsafeBytes { try file.writeFully($0, at: 8) }
    try file.close()
    let again = try StoreFixture(files).open()
    let ward = try again.partition(application: "ward")
    #expect(again.view.sealed.count >= 1)
    for number in stride(from: 0, to: 30_000, by: 997) { #expect(try again.states(ward, number).count == 1) }
    try again.close()
    let mended = try files.open("store/\(name)", .read)
    var version = [UInt8](repeating: 0, count: 2)
    _ = try version.withUnsafeMutableBytes { try mended.readFully(into: $0, at: 8) }
    #expect(version == [2, 0])
  }

  /// Two threads that read one page at the same time get the same bytes: what one of them holds is not let go by the other.
  @Test func twoThreadsReadOnePage() throws {
    let files = SimulatedFileSystem(seed: 1)
    let (store, _) = try Self.store(30_000, on: files)
    defer { try? store.close() }
    let segment = try #require(store.view.sealed.first).segment
    let name = RunFormat.fileName(ordinal: segment.header.ordinal, partialEnd: nil)
    let run = try Run(
      file: MeetingFile(try files.open("store/\(name)", .read), offset: UInt64(Format.pageSize)), name: name,
      header: segment.header, keys: store.context.keys.index, maps: false)
    let found = Atomic<Int>(0)
    /// Two equal addresses leave 0.
    let difference = Atomic<UInt>(0)
    let threads = (0..<2).map { _ in
      EngineThread {
        guard let place = try? run.page(1).baseAddress else { return }
        found.add(1, ordering: .acquiringAndReleasing)
        difference.bitwiseXor(UInt(bitPattern: place), ordering: .acquiringAndReleasing)
      }
    }
    for thread in threads { thread.join() }
    #expect(found.load(ordering: .acquiring) == 2 && difference.load(ordering: .acquiring) == 0)
  }

  /// More records of an originator than one entry counts stand in several, also where these go over pages.
  @Test(arguments: [1, 2, 7, 256])
  func anOriginatorOfManyEntries(recordsPerEntry: Int) throws {
    #expect(RunFormat.recordsPerEntry == (1 << 24) - 1)
    let files = SimulatedFileSystem(seed: 4)
    let fixture = StoreFixture(files)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    let counts = [700, 1, 300, 3]
    for start in stride(from: 0, to: 700, by: 50) {
      for (number, count) in counts.enumerated() where start < count {
        try store.put(ward, number, start...min(start + 49, count - 1))
      }
    }
    try store.writer?.exclusively { () throws(StorageError) in try store.writer?.roll() }
    let sealed = try #require(store.view.sealed.first)
    let index = try sealed.loadIndex()
    let keys = store.context.keys.index
    var writer = RunWriter(keys: keys)
    writer.recordsPerEntry = recordsPerEntry
    let bytes = try writer.encode(
      segment: sealed.segment.header,
      originators: try RunWriter.originators(index.parts, documents: [], state: index.info.state, keys: keys),
      directory: [], documents: [], info: index.info)
    try store.close()
    try RunWriter.replaceFile(
      bytes, name: RunFormat.fileName(ordinal: 1, partialEnd: nil), directory: "store", fileSystem: files)

    let again = try fixture.open()
    let same = try again.partition(application: "ward")
    guard case .run(let run)? = try again.view.sealed.first?.loadIndex().parts.first else {
      Issue.record("the segment has no run")
      return
    }
    #expect(run.originatorCount == counts.reduce(0) { $0 + ($1 + recordsPerEntry - 1) / recordsPerEntry })
    #expect(run.recordCount == counts.reduce(0, +))
    for (number, count) in counts.enumerated() {
      let states = try again.states(same, number)
      #expect(states.count == count)
      for (position, state) in states { #expect(state == stateBytes(number, Int(position))) }
      for position in Set([0, count / 2, count - 1]) {
        #expect(try storageCode { try again.put(same, number, position...position) } == .conflict)
      }
      try again.put(same, number, count...count)
    }
    #expect(again.notes.isEmpty)
    try again.close()
  }

  /// Half a second for what happens only if something is wrong.
  private static func wait(until isDone: () -> Bool) {
    let clock = LinuxFileSystem()
    let end = clock.monotonicNanoseconds() + 500_000_000
    while !isDone(), clock.monotonicNanoseconds() < end { usleep(1000) }
  }

  /// Two threads that find no run of a segment, or the same damaged one: one of them makes a new one, and both read it.
  @Test(arguments: [false, true])
  func twoThreadsRebuildOneRun(damaged: Bool) throws {
    let files = SimulatedFileSystem(seed: 1)
    let (written, _) = try Self.store(1000, on: files)
    try written.writer?.exclusively { () throws(StorageError) in try written.writer?.roll() }
    try written.close()
    let name = "store/" + RunFormat.fileName(ordinal: 1, partialEnd: nil)
    if damaged { try files.flipBit(name, byte: Format.pageSize) } else { try files.deleteFile(name) }
    let fixture = StoreFixture(files)
    let store = try fixture.open(.write)
    let ward = try store.partition(application: "ward")
    let temporary = Atomic<Int>(0)
    files.beforeEachCall { call in
      guard call.kind == .open, call.path == "\(name).next" else { return }
      temporary.add(1, ordering: .acquiringAndReleasing)
      // Time for the other thread to come here too.
      Self.wait { temporary.load(ordering: .acquiring) > 1 }
    }
    let found = Atomic<Int>(0)
    let threads = (0..<2).map { number in
      EngineThread {
        do {
          if try store.states(ward, number).count == 1 { found.add(1, ordering: .relaxed) }
        } catch {
          Issue.record("\(error)")
        }
      }
    }
    for thread in threads { thread.join() }
    files.beforeEachCall(nil)
    #expect(found.load(ordering: .relaxed) == 2)
    #expect(temporary.load(ordering: .relaxed) == 1)
    for number in stride(from: 0, to: 1000, by: 97) { #expect(try store.states(ward, number).count == 1) }
    try store.close()
    var options = fixture.options
    options.fileSystem = files
    #expect(try SegmentStore.verify("store", key: StoreFixture.provider(), options: options).isClean)
  }

  /// Whoever finishes a segment and whoever rebuilds its index may write its run at the same time: one behind the other.
  @Test func twoThreadsWriteOneRun() throws {
    let files = SimulatedFileSystem(seed: 1)
    let (store, ward) = try Self.store(1000, on: files)
    try store.writer?.exclusively { () throws(StorageError) in try store.writer?.roll() }
    let sealed = try #require(store.view.sealed.first)
    let index = try sealed.loadIndex()
    let writing = Atomic<Int>(0)
    let met = Atomic<Bool>(false)
    files.beforeEachCall { call in
      guard call.path.hasSuffix(".run.next") else { return }
      if call.kind == .open {
        if writing.add(1, ordering: .acquiringAndReleasing).newValue > 1 { met.store(true, ordering: .releasing) }
        // Time for the other thread to come here too.
        Self.wait { met.load(ordering: .acquiring) }
      } else if call.kind == .rename {
        writing.subtract(1, ordering: .acquiringAndReleasing)
      }
    }
    let threads = (0..<2).map { _ in
      EngineThread {
        do {
          sealed.adopt(try store.context.writeRun(index, of: sealed.segment, isPartial: false))
        } catch {
          Issue.record("\(error)")
        }
      }
    }
    for thread in threads { thread.join() }
    files.beforeEachCall(nil)
    #expect(met.load(ordering: .acquiring) == false)
    for number in stride(from: 0, to: 1000, by: 97) { #expect(try store.states(ward, number).count == 1) }
    try store.close()
  }
}

/// A file whose reads of one page wait until two threads are at it.
private final class MeetingFile: File {
  private let base: any File
  private let offset: UInt64
  private let arrived = Atomic<Int>(0)

  init(_ base: any File, offset: UInt64) {
    self.base = base
    self.offset = offset
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    if offset == self.offset {
      arrived.add(1, ordering: .acquiringAndReleasing)
      for _ in 0..<5000 where arrived.load(ordering: .acquiring) < 2 { usleep(1000) }
    }
    return try base.read(into: buffer, at: offset)
  }
  func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    try base.write(buffer, at: offset)
  }
  func synchronize() throws(SystemError) { try base.synchronize() }
  func truncate(to size: UInt64) throws(SystemError) { try base.truncate(to: size) }
  func size() throws(SystemError) -> UInt64 { try base.size() }
  func tryLock() throws(SystemError) -> Bool { try base.tryLock() }
  func isLockedByAnother() throws(SystemError) -> Bool { try base.isLockedByAnother() }
  func map(length: Int) throws(SystemError) -> (any MappedFile)? { nil }
  func close() throws(SystemError) { try base.close() }
}

import Glibc
import StorageTestSupport
import Synchronization
import Testing

@testable import SegmentStorage

/// Writers, readers, followers, rolls and housekeeping at the same time. Under ThreadSanitizer: `make tsan`.
@Suite(.serialized) struct ConcurrencyTests {
  /// `CLOSEROLL_CONCURRENT_COMMITS` asks for another number of commits a writer.
  static let commits = getenv("CLOSEROLL_CONCURRENT_COMMITS").flatMap { Int(String(cString: $0)) } ?? 60

  static func fixture(_ directory: TemporaryDirectory, _ durability: Durability, sealed: Bool = true) -> StoreFixture {
    var fixture = StoreFixture(LinuxFileSystem(), path: "\(directory.path)/store", isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    fixture.options.runInterval = 16 << 10
    fixture.options.hasMaintenanceThread = true
    fixture.options.writesZerosAhead = true
    fixture.options.durability = durability
    return fixture
  }

  /// Each originator belongs to one writer, which stores its positions in order.
  private static func write(_ store: SegmentStore, _ ward: Partition, writer: Int) {
    for position in 0..<commits {
      do {
        try store.put(ward, writer, position...position, length: 500)
      } catch {
        Issue.record("writer \(writer): \(error)")
      }
    }
  }

  /// Reads notifications again and again; every one is the next.
  private static func follow(
    _ store: SegmentStore, _ ward: Partition, until total: Int64, done: borrowing Atomic<Bool>, refreshes: Bool
  ) {
    let reader = store.makeNotificationReader(ward)
    var last: Int64 = 0
    do {
      while last < total, !(done.load(ordering: .acquiring) && last >= store.lastNotificationID(ward) && !refreshes) {
        if refreshes { _ = try store.wait(milliseconds: 20) }
        try reader.read {
          if $0.id != last + 1 { Issue.record("notification \($0.id) behind \(last)") }
          last = $0.id
          return true
        }
      }
      if last != total { Issue.record("a follower saw \(last) of \(total)") }
    } catch {
      Issue.record("\(error)")
    }
  }

  /// Reads what one writer has stored so far: never less than before, and no position left out.
  private static func look(_ store: SegmentStore, _ ward: Partition, writers: Int, done: borrowing Atomic<Bool>) {
    var counts = [Int](repeating: 0, count: writers)
    while !done.load(ordering: .acquiring) {
      for writer in 0..<writers {
        do {
          let states = try store.states(ward, writer)
          if states.count < counts[writer] { Issue.record("events of \(writer) are gone") }
          counts[writer] = states.count
          if states.keys.sorted() != (0..<Int64(states.count)).map({ $0 }) { Issue.record("a gap in \(writer)") }
          _ = try store.statistics()
          _ = store.head
        } catch {
          Issue.record("\(error)")
        }
      }
    }
  }

  @Test(arguments: [1, 4, 16], [Durability.commit, .interval(milliseconds: 5)])
  func writersReadersAndRolls(writers: Int, durability: Durability) throws {
    let directory = try TemporaryDirectory()
    let fixture = Self.fixture(directory, durability)
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    let other = try fixture.open(.read)
    let otherWard = try other.partition(application: "ward")
    let done = Atomic(false)
    let total = Int64(writers * Self.commits)
    try withThreads { start in
      start { Self.follow(store, ward, until: total, done: done, refreshes: false) }
      start { Self.follow(other, otherWard, until: total, done: done, refreshes: true) }
      start { Self.look(store, ward, writers: writers, done: done) }
      start { Self.look(other, otherWard, writers: writers, done: done) }
      withThreads { start in
        for writer in 0..<writers { start { Self.write(store, ward, writer: writer) } }
      }
      try store.flush()
      done.store(true, ordering: .releasing)
    }
    #expect(store.lastNotificationID(ward) == total)
    try other.close()
    try store.close()
    #expect(try SegmentStore.verify(fixture.path, key: StoreFixture.provider()).isClean)
  }

  /// Tasks that append and wait for notifications, while another thread flushes.
  @Test func tasks() async throws {
    let directory = try TemporaryDirectory()
    let store = try Self.fixture(directory, .commit).open()
    let ward = try store.partition(application: "ward")
    let writers = 8
    let total = Int64(writers * Self.commits)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<writers {
        group.addTask {
          for position in 0..<Self.commits {
            let commit = store.makeCommit()
            let state = stateBytes(writer, position, length: 400)
            try state.withUnsafeBytes { state in
              try commit.add(
                to: ward, originator: originator(writer), position: Int64(position),
                topic: UnsafeRawBufferPointer(rebasing: state[..<4]), state: state)
            }
            try await store.append(commit)
          }
        }
      }
      group.addTask {
        let reader = store.makeNotificationReader(ward)
        while reader.nextID <= total {
          try await store.waitForNotification(ward, after: reader.nextID - 1)
          let before = reader.nextID
          let count = try reader.read { _ in true }
          #expect(reader.nextID == before + Int64(count))
        }
      }
      try await group.waitForAll()
    }
    #expect(store.lastNotificationID(ward) == total)
    try store.close()
  }

  /// Close while others are at work: each call is done wholly, or says that the store is closed.
  @Test func closeAmongWork() throws {
    for round in 0..<8 {
      let directory = try TemporaryDirectory()
      let fixture = Self.fixture(directory, round % 2 == 0 ? .commit : .none)
      let store = try fixture.open()
      let ward = try store.partition(application: "ward")
      let stored = Atomic<Int>(0)
      try withThreads { start in
        for writer in 0..<4 {
          start {
            for position in 0... {
              do {
                try store.put(ward, writer, position...position, length: 300)
                stored.wrappingAdd(1, ordering: .relaxed)
              } catch {
                if (error as? StorageError)?.code != .closed { Issue.record("\(error)") }
                return
              }
            }
          }
        }
        usleep(20_000)
        try store.close()
      }
      let again = try fixture.open(.read)
      let count = try again.notifications(try again.partition(application: "ward")).count
      #expect(count == stored.load(ordering: .relaxed))
      try again.close()
    }
  }

  /// Runs threads that end before it returns.
  private func withThreads(_ body: ((@escaping () -> Void) -> Void) throws -> Void) rethrows {
    var threads: [EngineThread] = []
    defer { for thread in threads { thread.join() } }
    try body { work in
      nonisolated(unsafe) let work = work
      threads.append(EngineThread { work() })
    }
  }
}

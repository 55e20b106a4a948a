import StorageTestSupport
import Synchronization
import Testing

@testable import SegmentStorage

/// A value that threads and tasks add to.
private final class Collected<Value: Sendable>: Sendable {
  private let value: Synchronization.Mutex<Value>

  init(_ value: Value) { self.value = Synchronization.Mutex(value) }

  func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
    value.withLock { value in
      var copy = value
      defer { value = copy }
      return body(&copy)
    }
  }
}

@Suite struct GroupCommitTests {
  /// Threads and tasks at once, on the real file system: each commit once, no gap, each originator in its order.
  @Test func manyWriters() async throws {
    let directory = try TemporaryDirectory()
    var fixture = StoreFixture(LinuxFileSystem(), path: "\(directory.path)/store")
    fixture.options.hasMaintenanceThread = true
    fixture.options.writesZerosAhead = true
    fixture.options.segmentSize = 256 << 10
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    let ids = Collected<[Int64]>([])
    let each = 120
    let threads = (0..<6).map { number in
      EngineThread {
        for position in 0..<each {
          guard let receipt = try? store.put(ward, number, position...position, length: 900) else { continue }
          ids.withLock { $0.append(receipt.lastNotificationID ?? 0) }
        }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 6..<16 {
        group.addTask {
          for position in 0..<each {
            let commit = store.makeCommit()
            let state = stateBytes(number, position, length: 900)
            try state.withUnsafeBytes { state in
              try commit.add(
                to: ward, originator: originator(number), position: Int64(position), topic: state.prefixBytes(9),
                state: state)
            }
            let receipt = try await store.append(commit)
            ids.withLock { $0.append(receipt.lastNotificationID ?? 0) }
          }
        }
      }
      try await group.waitForAll()
    }
    for thread in threads { thread.join() }
    #expect(ids.withLock { $0.sorted() } == Array(1...Int64(16 * each)))
    let all = try store.notifications(ward)
    #expect(all.map(\.0) == Array(1...Int64(16 * each)))
    for number in 0..<16 {
      #expect(all.filter { $0.1 == originator(number) }.map(\.2) == Array(0..<Int64(each)))
      #expect(try store.states(ward, number).count == each)
    }
    try store.close()
    let reader = try fixture.open(.read)
    #expect(try reader.notifications(try reader.partition(application: "ward")).count == 16 * each)
  }

  /// One writer: exactly one flush of the segment a commit, between the write and the acknowledgement.
  @Test func oneFlushACommit() throws {
    let files = SimulatedFileSystem(seed: 4)
    let store = try StoreFixture(files).open()
    let ward = try store.partition(application: "ward")
    try store.put(ward, 1, 0...0)
    for position in 1..<50 {
      files.clearTrace()
      try store.put(ward, 1, position...position)
      let calls = files.trace.filter { $0.path.contains("segment") }
      #expect(calls.map(\.kind) == [.write, .synchronize])
      #expect(files.trace.filter { $0.kind == .synchronize }.count == 1)
    }
    try store.close()
  }

  /// Closing while others append: each append is stored and acknowledged, or refused as closed.
  @Test(arguments: 0..<6)
  func closeWhileAppending(round: Int) throws {
    let files = SimulatedFileSystem(seed: 4)
    var fixture = StoreFixture(files)
    fixture.options.hasMaintenanceThread = true
    let store = try fixture.open()
    let ward = try store.partition(application: "ward")
    let acknowledged = Collected(0)
    let threads = (0..<4).map { number in
      EngineThread {
        for position in 0..<400 {
          do {
            try store.put(ward, number, position...position)
            acknowledged.withLock { $0 += 1 }
          } catch let error as StorageError where error.code == .closed {
            return
          } catch {
            Issue.record("\(error)")
          }
        }
      }
    }
    while acknowledged.withLock({ $0 }) < 50 * round {}
    try store.close()
    for thread in threads { thread.join() }
    let again = try fixture.open(.read)
    #expect(
      try again.notifications(try again.partition(application: "ward")).count == acknowledged.withLock { $0 })
  }

  /// All sequences of up to seven steps: at most one leads, nobody is forgotten, commits stay in order.
  @Test func theQueueForgetsNobody() throws {
    let store = try StoreFixture(SimulatedFileSystem(seed: 1)).open()
    defer { try? store.close() }
    for length in 1...7 {
      for code in 0..<(1 << (2 * length)) {
        var queue = CommitQueue()
        var enqueued: [ObjectIdentifier] = []
        var taken: [ObjectIdentifier] = []
        var kept: [Commit] = []
        var leads = false
        for step in 0..<length {
          switch code >> (2 * step) & 3 {
          case 0, 1:
            let commit = store.makeCommit()
            kept.append(commit)
            enqueued.append(ObjectIdentifier(commit))
            let action = queue.enqueue(commit, isAsync: code >> (2 * step) & 3 == 1)
            if case .wait = action {
              #expect(leads)
            } else {
              #expect(!leads)
              leads = true
            }
          case 2 where leads:
            taken += queue.takeGroup(upTo: 1).map { ObjectIdentifier($0) }
            if case .rest = queue.finishGroup() { leads = false }
          case 3 where leads:
            taken += queue.takeGroup(upTo: .max).map { ObjectIdentifier($0) }
            if case .rest = queue.finishGroup() { leads = false }
          default: break
          }
        }
        while leads {
          taken += queue.takeGroup(upTo: .max).map { ObjectIdentifier($0) }
          if case .rest = queue.finishGroup() { leads = false }
        }
        if taken != enqueued || !queue.isEmpty { Issue.record("sequence \(code) of \(length) steps") }
      }
    }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func prefixBytes(_ count: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: self[..<count])
  }
}

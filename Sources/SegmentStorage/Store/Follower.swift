internal import Glibc
internal import Sealing

/// Takes in, for a store that was opened for reading, what the writing process stores: up to `HEAD`'s mark while there is
/// a writer, up to the last valid frame when there is none.
///
/// Writes nothing and recovers nothing. Thread-safe.
final class Follower: @unchecked Sendable {  // every `var` is guarded by `lock`
  private let context: StoreContext
  private let view: LogView
  private let lock = Monitor()
  private var replayer: LogReplayer
  private var reader: SegmentReader
  /// Finished segments whose index is still in memory.
  private var unindexed: [SealedSegment] = []

  init(context: StoreContext, view: LogView, replayer: LogReplayer) {
    self.context = context
    self.view = view
    self.replayer = replayer
    reader = SegmentReader(replayer.segment, limit: 0, usesMapping: false)
  }

  /// Reads on.
  func refresh() throws(StorageError) -> Bool {
    lock.lock()
    defer { lock.unlock() }
    defer { view.waiters.wake { view.durableHead($0) } }
    do throws(StorageError) {
      return try readOn()
    } catch {
      guard error.code == .keyUnavailable else { throw error }
    }
    // The writer has a new root key: it stood in KEYRING before it was used.
    try context.refreshKeyring()
    return try readOn()
  }

  /// Waits until the writer has made something durable and takes it in, or until the time is over.
  func wait(milliseconds: Int32) throws(StorageError) -> Bool {
    let path = context.path("HEAD")
    // Watch first, look then: what happens in between is not missed. Without inotify, look again and again.
    let watcher = context.fileSystem is LinuxFileSystem ? try? FileWatcher(path) : nil
    if try refresh() { return true }
    let deadline = context.fileSystem.monotonicNanoseconds() + UInt64(max(0, milliseconds)) * 1_000_000
    while true {
      let now = context.fileSystem.monotonicNanoseconds()
      guard now < deadline else { return false }
      let left = Int32(clamping: (deadline - now + 999_999) / 1_000_000)
      if let watcher {
        // Another machine's writes are not told: look now and then all the same.
        _ = try? watcher.wait(milliseconds: min(left, 1000))
      } else {
        usleep(UInt32(min(left, 10)) * 1000)
      }
      if try refresh() { return true }
    }
  }

  private func readOn() throws(StorageError) -> Bool {
    var isNew = false
    while true {
      // The size comes first: what is there before nobody writes is no living writer's unflushed group.
      let size = Int(clamping: try io { () throws(SystemError) in try replayer.segment.file.size() })
      let head = try context.readHead()
      let hasWriter = try context.hasWriter()
      let ordinal = replayer.segment.header.ordinal
      let next = try context.openNextSegment(after: ordinal)
      var limit = size
      if let next {
        limit = Int(next.header.previousEnd)
      } else if hasWriter {
        // Without a head the writer has flushed nothing yet.
        limit = head.map { $0.ordinal == ordinal ? $0.end : ($0.ordinal > ordinal ? size : 0) } ?? 0
      }
      if try advance(to: limit, isComplete: next != nil) { isNew = true }
      guard let next, replayer.info.end == limit else {
        if isNew { adoptRuns() }
        return isNew
      }
      try roll(to: next)
      // Also on the way: a reader that is far behind holds no more in memory than one that keeps up.
      adoptRuns()
      isNew = true
    }
  }

  private func advance(to limit: Int, isComplete: Bool) throws(StorageError) -> Bool {
    guard limit > replayer.info.end else { return false }
    reader.limit = limit
    reader.invalidate()
    var walker = replayer.walker(reader, checksBlobs: true)
    let start = replayer.info.end
    walk: while walker.offset < limit {
      switch try walker.peek() {
      case .frame(let frame):
        // Readers look at the index while it grows: each frame is taken over under the lock, and seen after it.
        let defect = try view.lock.withLock { () throws(StorageError) in
          try replayer.apply(frame, isFirst: walker.isFirst)
        }
        if let defect {
          guard isComplete else { break walk }
          throw .damaged(defect, replayer.segment.name, UInt64(frame.offset))
        }
        walker.advance(over: frame)
      case .stop(.invalid(let what)):
        guard isComplete else { break walk }
        throw .damaged(what, replayer.segment.name, UInt64(walker.offset))
      case .stop: break walk
      }
    }
    guard replayer.info.end > start else { return false }
    view.advance(info: replayer.info, durable: true)
    return true
  }

  private func roll(to segment: Segment) throws(StorageError) {
    let old = replayer.info
    guard segment.header.previousTag == old.lastTag else {
      throw .damaged("A segment does not follow the one before it", segment.name, 80)
    }
    let sealed = SealedSegment(
      replayer.segment, end: old.end, finalTag: old.lastTag, isPartial: false, context: context,
      index: try view.activeIndex(info: old))
    let index = ActiveIndex()
    var fresh = LogReplayer(keys: context.keys, segment: segment, index: index)
    let reader = SegmentReader(segment, limit: Format.pageSize, usesMapping: false)
    self.reader = reader
    // Epoch and opening frame were durable before the segment had its name.
    reader.limit = Int(clamping: try io { () throws(SystemError) in try segment.file.size() })
    var walker = fresh.walker(reader, checksBlobs: true)
    while fresh.info.headsAtOpening.isEmpty || fresh.frameCount < 2 {
      guard case .frame(let frame) = try walker.peek() else { break }
      if let defect = try fresh.apply(frame, isFirst: walker.isFirst) {
        throw .damaged(defect, segment.name, UInt64(frame.offset))
      }
      walker.advance(over: frame)
      if FrameType(rawValue: frame.header.type) == .opening { break }
    }
    replayer = fresh
    view.roll(to: segment, sealing: sealed, info: fresh.info, index: index)
    unindexed.append(sealed)
  }

  /// The writer makes a run of each segment soon after it has finished it: memory need not hold its index any longer. Without
  /// a run that can be read, the index in memory serves on.
  private func adoptRuns() {
    while let oldest = unindexed.first {
      unindexed.removeFirst()
      guard (try? oldest.adoptRun()) == true else {
        // Another one's turn, the next time.
        unindexed.append(oldest)
        return
      }
    }
  }
}

extension StoreContext {
  /// The newer slot of `HEAD`; `nil` when there is none that is valid.
  func readHead() throws(StorageError) -> HeadMark? { try fileSystem.readHead(of: directory) }

  /// Whether a process holds the writer's lock.
  func hasWriter() throws(StorageError) -> Bool {
    do throws(SystemError) {
      return try fileSystem.open(path("LOCK"), .read).isLockedByAnother()
    } catch {
      if error.isNotFound { return false }
      throw StorageError(error)
    }
  }

  /// The segment behind one; `nil` while there is none.
  func openNextSegment(after ordinal: UInt64) throws(StorageError) -> Segment? {
    let name = Segment.fileName(ordinal: ordinal + 1, generation: 1)
    do throws(StorageError) {
      return try openSegment(name, writable: false)
    } catch {
      if let cause = error.cause, cause.isNotFound { return nil }
      throw error
    }
  }
}

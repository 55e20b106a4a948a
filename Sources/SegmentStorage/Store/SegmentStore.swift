public import Sealing
private import Synchronization

/// An embedded, append-only store of records in segment files: sealed, compressed, indexed, with one gap-free
/// notification sequence a partition.
///
/// One process writes, any number read. All methods are thread-safe. A store is opened by ``open(_:key:options:)`` and
/// closed by ``close()``; one that is not closed is recovered when it is opened again.
///
/// ```swift
/// let store = try SegmentStore.open("ward-store", key: .provider(.environment()))
/// let ward = try store.partition(application: "ward")
/// let commit = store.makeCommit()
/// try commit.add(to: ward, originator: id, position: 0, topic: topic, state: state)
/// try store.append(commit)
/// try store.close()
/// ```
public final class SegmentStore: Sendable {
  let context: StoreContext
  let view: LogView
  let writer: LogWriter?
  let follower: Follower?
  private let lockFile: (any File)?
  private let partitions: PartitionTable
  private let isClosed = Atomic<Bool>(false)
  let scratchPool = ScratchPool()
  /// What was found, and done, when the store was opened.
  public let openReport: OpenReport

  init(
    context: StoreContext, view: LogView, writer: LogWriter?, follower: Follower?, lockFile: (any File)?,
    partitions: PartitionTable, openReport: OpenReport
  ) {
    self.context = context
    self.view = view
    self.writer = writer
    self.follower = follower
    self.lockFile = lockFile
    self.partitions = partitions
    self.openReport = openReport
  }

  deinit {
    // A store that was forgotten: its threads must end before what they use does. What a close could not do, recovery
    // will.
    if !isClosed.load(ordering: .acquiring) { try? close() }
  }

  /// The store's random identity.
  public var storeID: StoreID { context.storeID }

  /// Whether what users write is sealed.
  public var isSealed: Bool { context.keys.suite != .plain }

  /// Whether the store was opened for reading only.
  public var isReadOnly: Bool { !context.isWritable }

  /// The store's own codec: what it seals can be added with ``Commit/addSealed(_:to:originator:position:topic:blob:tag:isNotifiable:causalDependencies:)``.
  public var codec: StateCodec { context.keys.codec }

  /// Lines on things that were noticed and are no errors: a run that was rebuilt, a head that could not be written, keys that
  /// the system refused to lock in memory.
  public var notes: [String] {
    let lines = context.report.all
    guard let epochs = context.keys.epochs, !epochs.isLockedInMemory, !lines.contains(ReportLog.unlockedKeys) else {
      return lines
    }
    return lines + [ReportLog.unlockedKeys]
  }

  /// The durable end of the log as it is now, to be kept elsewhere and given to a later open as
  /// ``StoreOptions/expectedHead``. Costs nothing.
  ///
  /// Of a store that was opened for reading after its writer had died, it is good for that only if ``OpenReport/tailProven``.
  public var head: StoreHead { view.head }

  /// A handle on one application's pipeline. Nothing is stored by asking for it.
  ///
  /// - Throws: ``StorageError/Code/limitExceeded`` for a name of more than ``StorageLimits/name`` bytes, or an empty one.
  public func partition(application: String, pipeline: UInt32 = 0) throws(StorageError) -> Partition {
    guard (1...StorageLimits.name).contains(application.utf8.count) else {
      throw StorageError(
        .limitExceeded,
        "An application's name has 1 to \(StorageLimits.name) bytes; this one has \(application.utf8.count).")
    }
    return partitions.partition(application: application, pipeline: pipeline)
  }

  /// A commit to fill and append; to be used again after it was stored.
  public func makeCommit() -> Commit {
    Commit(context: context, partitions: partitions)
  }

  /// Stores a commit: all of it, or nothing.
  ///
  /// Returns when the commit is as durable as ``StoreOptions/durability`` says. Blocks the calling thread for one flush of
  /// the device, shared with whoever appends at the same time; never call it from a task with `.commit`, there is
  /// ``append(_:)-async`` for that.
  ///
  /// - Throws: ``StorageError``: `conflict`, `limitExceeded`, `diskFull` leave the store as it was;
  ///   `durabilityUnknown` and `poisoned` need the store to be opened again; `closed`, `readOnly`.
  @discardableResult
  public func append(_ commit: Commit) throws(StorageError) -> CommitReceipt {
    try checkOpen()
    return try writer(for: commit).append(commit)
  }

  /// Stores a commit without blocking the caller's thread: the task is resumed by the store's commit thread.
  @discardableResult
  public func append(_ commit: Commit) async throws(StorageError) -> CommitReceipt {
    try checkOpen()
    return try await writer(for: commit).appendAsync(commit)
  }

  private func writer(for commit: Commit) throws(StorageError) -> LogWriter {
    guard let writer else { throw .readOnly }
    guard commit.storeIdentity == ObjectIdentifier(context) else {
      throw StorageError(.invalidArgument, "The commit was made by another store.")
    }
    return writer
  }

  /// Makes everything that was appended durable. With ``Durability/commit`` it is already.
  public func flush() throws(StorageError) {
    try checkOpen()
    try writer?.flush()
  }

  /// The last notification ID that is durable in a partition; 0 for none.
  public func lastNotificationID(_ partition: Partition) -> Int64 { view.durableHead(partition) }

  /// Waits until a partition's notification sequence is durable behind `id`, the store is closed, or the task is cancelled.
  ///
  /// A wake-up is a hint: look at ``lastNotificationID(_:)``. In a store that was opened for reading, the writer's progress is
  /// looked for every few milliseconds. Blocks no thread.
  public func waitForNotification(_ partition: Partition, after id: Int64) async throws {
    try checkOpen()
    if view.durableHead(partition) > id { return }
    guard follower != nil else {
      await view.waiters.wait(for: partition, after: id) { [view] in view.durableHead(partition) > id }
      return
    }
    while !Task.isCancelled {
      try refresh()
      if view.durableHead(partition) > id { return }
      try? await Task.sleep(nanoseconds: 5_000_000)
    }
  }

  /// A reader of a partition's notifications behind `id`; 0 for all.
  public func makeNotificationReader(_ partition: Partition, after id: Int64 = 0) -> NotificationReader {
    NotificationReader(store: self, partition: partition, after: id)
  }

  /// The highest notification of `upstream` that `partition` has processed; 0 for none.
  public func trackingPosition(of partition: Partition, upstream: String, pipeline: UInt32) -> Int64 {
    view.trackingPosition(partition, upstream: upstream, pipeline: pipeline)
  }

  /// Takes in what a writing process has stored since. Does nothing in the writing process itself.
  ///
  /// - Returns: whether there was anything new.
  @discardableResult
  public func refresh() throws(StorageError) -> Bool {
    try checkOpen()
    return try follower?.refresh() ?? false
  }

  /// Waits until a writing process has stored something, and takes it in; woken by inotify, else by looking every 10 ms.
  /// For a store that was opened for reading; blocks the thread.
  ///
  /// - Returns: whether there is anything new; `false` when the time is over.
  public func wait(milliseconds: Int32) throws(StorageError) -> Bool {
    try checkOpen()
    return try follower?.wait(milliseconds: milliseconds) ?? false
  }

  /// Flushes, writes what makes the next open fast, and gives the lock free. Waits for appends that are under way; later
  /// calls are ``StorageError/Code/closed``. A second close does nothing.
  public func close() throws(StorageError) {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    defer {
      view.waiters.close()
      try? lockFile?.close()
    }
    try writer?.close()
  }

  func checkOpen() throws(StorageError) {
    if isClosed.load(ordering: .acquiring) { throw .closed }
  }
}

/// Keeps the arrays of reads for the next. Thread-safe.
final class ScratchPool: @unchecked Sendable {  // `free` is guarded by `lock`
  private let lock = Monitor()
  private var free: [ReadScratch] = []

  func take() -> ReadScratch { lock.withLock { free.popLast() } ?? ReadScratch() }

  func give(_ scratch: ReadScratch) {
    lock.withLock { if free.count < 16 { free.append(scratch) } }
  }
}

/// What opening a store found and did.
public struct OpenReport: Sendable, Equatable {
  /// Bytes behind the last valid commit that were copied to `quarantine/` and cut off: a commit that was never
  /// acknowledged, or a flush that was under way.
  public struct Cut: Sendable, Equatable {
    /// The segment.
    public var file: String
    /// Where the cut is.
    public var offset: UInt64
    /// How many bytes.
    public var length: UInt64
    /// The copy, in the store's directory; `nil` when the store was opened for reading and nothing was cut.
    public var quarantine: String?
    /// What was wrong there.
    public var reason: String
  }

  /// Whether the store was made by this open.
  public var created = false
  /// What was cut off.
  public var cut: Cut?
  /// Bytes at the end of the log that were valid but not proven durable; they were written again and flushed.
  public var rewritten: UInt64 = 0
  /// Whether everything up to the end of the log was proven durable when the store was opened. A reader that opens while
  /// nobody writes shows the rest too.
  public var tailProven = true
  /// Whether another process writes to the store (for a reader).
  public var hasWriter = false
  /// Frames that had to be read one by one.
  public var scannedFrames: UInt64 = 0
}

internal import Sealing

/// Orders commits and makes them durable: one write and one flush for a group of commits.
///
/// - `monitor` guards the queue, the waiters and the flags below it.
/// - What is marked *leader's* is touched by the thread that leads a group only (there is one at a time).
final class LogWriter: @unchecked Sendable {  // guarded as said above
  let context: StoreContext
  let view: LogView
  let monitor = Monitor()

  // Guarded by `monitor`.
  var queue = CommitQueue()
  var poison: StorageError?
  var isClosing = false
  /// A range that the maintenance thread is filling with zeros: nobody may write there.
  var zeroing: Range<Int>?
  /// Behind the last zero that is durable; what is below and behind the log's end is prepared.
  var zeroedEnd: Int
  var writesZeros: Bool
  let commitThreadWakeup = Monitor.Condition()
  let maintenanceWakeup = Monitor.Condition()
  let idle = Monitor.Condition()
  /// Whether a timed flush is to come that will take in what was written until now.
  var timedFlushIsDue = false
  /// Held during a flush of the active segment. The system reports a failure to one flush of several at the same time:
  /// whoever comes next has to see the poison.
  let flushing = Monitor()
  /// Held while a segment is being finished: the maintenance thread and a roll must not do it both.
  let finishing = Monitor()
  var commitThread: EngineThread?
  var maintenanceThread: EngineThread?
  var maintenanceRequests: MaintenanceRequests = []
  /// A sealed segment whose footer or run is not written yet.
  var unfinished: UnfinishedSegment?
  /// Where the active segment's log ended when its run was last written.
  var coveredEnd: Int
  /// Set when there is no maintenance thread to write a run of the active segment.
  var partialRunIsDue = false
  /// What is durable next: captured at each write.
  var written: WrittenMark

  /// Behind the group that is being written: zeros are written behind it only.
  var inflightEnd: Int

  // The leader's.
  var sections: ContiguousArray<Section> = []
  var topicNumbers: ContiguousArray<UInt32> = []
  /// Which notification each tombstone of the commit deletes, by the record's index.
  var deletions: [Int: (partition: UInt32, notificationID: Int64)] = [:]
  var builder: FrameBuilder
  var state: LogState
  var names: NameTable
  var partitionNumbers: ContiguousArray<Int32> = []
  let group = RawBuffer(capacity: 64 << 10)
  let metadata = RawBuffer(capacity: 4096)
  let scratch = RawBuffer(capacity: 256)
  var locations: ContiguousArray<RecordLocation> = []
  var headFile: any File
  var headTurn: UInt64
  let headLock = Monitor()
  /// The sequence number of the last mark written to `HEAD`. Guarded by `headLock`, like `headTurn`.
  var headSequence: UInt64 = 0
  let headBuffer = RawBuffer(capacity: 64)
  /// What the newest slot of `HEAD` says; guarded by `headLock`.
  var headMark: HeadMark?
  /// Whether `HEAD` was written and not flushed since; guarded by `headLock`.
  var headNeedsFlush = false
  var commitsInSegment: Bool
  let partitions: PartitionTable

  /// What a flush makes durable.
  struct WrittenMark {
    var segment: Segment
    var end: Int
    var nextSequence: UInt64
    var tag: LinkTag
    var heads: [Int64]
    var deleted: [UInt32: [Int64]]
    var records: UInt64
  }

  struct MaintenanceRequests: OptionSet {
    var rawValue: Int
    static let finishSegment = MaintenanceRequests(rawValue: 1)
    static let zeros = MaintenanceRequests(rawValue: 2)
    static let partialRun = MaintenanceRequests(rawValue: 4)
    static let train = MaintenanceRequests(rawValue: 8)
    static let quit = MaintenanceRequests(rawValue: 16)
    static let timedFlush = MaintenanceRequests(rawValue: 32)
  }

  /// A segment that a newer one follows and that lacks its footer or its run.
  struct UnfinishedSegment {
    var sealed: SealedSegment
    /// Stands behind the last commit.
    var builder: FrameBuilder
    var info: SegmentInfo
    var hasFooter: Bool

    var segment: Segment { sealed.segment }
  }

  init(
    context: StoreContext, view: LogView, builder: FrameBuilder, info: SegmentInfo, headFile: any File,
    head: HeadMark?, coveredEnd: Int, unfinished: UnfinishedSegment?, partitions: PartitionTable
  ) {
    self.context = context
    self.view = view
    self.builder = builder
    state = info.state
    names = NameTable(info.state.names)
    self.headFile = headFile
    headTurn = head?.turn ?? 0
    headMark = head
    self.coveredEnd = coveredEnd
    self.unfinished = unfinished
    self.partitions = partitions
    zeroedEnd = info.end
    inflightEnd = info.end
    writesZeros = context.options.writesZerosAhead && context.options.durability == .commit
    commitsInSegment = info.state.recordCount > 0
    written = WrittenMark(
      segment: view.active, end: info.end, nextSequence: info.nextSequence, tag: info.lastTag,
      heads: info.state.partitions.map(\.head), deleted: info.state.deleted, records: info.state.recordCount)
    if context.options.hasMaintenanceThread {
      maintenanceThread = EngineThread { [unowned self] in maintenanceLoop() }
    }
    if unfinished != nil { requestMaintenance(.finishSegment) }
  }

  var suite: Suite { context.keys.suite }

  // MARK: Appending

  /// Stores a commit; returns when it is done, by the store's durability.
  func append(_ commit: Commit) throws(StorageError) -> CommitReceipt {
    if commit.isEmpty { return CommitReceipt() }
    let waiter = commit.waiter
    monitor.lock()
    if let refusal {
      monitor.unlock()
      throw refusal
    }
    waiter.reset()
    if case .lead = queue.enqueue(commit, isAsync: false) {
      lead()
    } else {
      while waiter.result == nil && !waiter.mayLead { waiter.condition.wait(monitor) }
      if waiter.result == nil { lead() }
    }
    let result = waiter.result
    let runIsDue = partialRunIsDue
    partialRunIsDue = false
    monitor.unlock()
    // The commit is stored; a bulk load goes on when there is a dictionary for what comes.
    let isBulk = context.options.durability != .commit || commit.count >= 100
    if isBulk, context.sampler?.isDue == true, context.options.hasMaintenanceThread {
      trainDictionary(waits: true)
    }
    // Without a maintenance thread the append does it. Only a shortcut for the next open: the commit is stored.
    if runIsDue { try? writePartialRun(ifLongerThan: context.options.runInterval) }
    guard let result else { throw StorageError.closed }
    return try result.get()
  }

  /// Stores a commit without blocking the caller's thread.
  func appendAsync(_ commit: Commit) async throws(StorageError) -> CommitReceipt {
    if commit.isEmpty { return CommitReceipt() }
    let result = await withUnsafeContinuation {
      (continuation: UnsafeContinuation<Result<CommitReceipt, StorageError>, Never>) in
      monitor.lock()
      if let refusal {
        monitor.unlock()
        continuation.resume(returning: .failure(refusal))
        return
      }
      commit.waiter.reset()
      commit.waiter.continuation = continuation
      if commitThread == nil { commitThread = EngineThread { [unowned self] in commitLoop() } }
      if case .wakeCommitThread = queue.enqueue(commit, isAsync: true) { commitThreadWakeup.signal() }
      monitor.unlock()
    }
    return try result.get()
  }

  /// Why nothing is taken, or `nil`. Under the monitor.
  private var refusal: StorageError? {
    if isClosing { return .closed }
    guard let poison else { return nil }
    return StorageError(
      .poisoned,
      "An earlier write or flush failed, so this store takes nothing more. Close it and open it again: recovery decides "
        + "what is stored. First error: \(poison)", file: poison.file, cause: poison.cause)
  }

  private func commitLoop() {
    monitor.lock()
    while true {
      while !queue.commitThreadMayLead && !(isClosing && !queue.isFlushing) { commitThreadWakeup.wait(monitor) }
      if !queue.commitThreadMayLead { break }
      lead()
    }
    monitor.unlock()
  }

  /// Writes one group. Called with the monitor held; gives it up meanwhile and holds it again at the end.
  private func lead() {
    let commits = queue.takeGroup(upTo: Format.maximumGroupSize)
    let refusal = poison == nil ? nil : self.refusal
    monitor.unlock()
    var outcomes: ContiguousArray<Result<CommitReceipt, StorageError>>
    if let refusal {
      outcomes = ContiguousArray(repeating: .failure(refusal), count: commits.count)
    } else {
      outcomes = writeGroup(commits)
    }
    monitor.lock()
    for (index, commit) in commits.enumerated() {
      if let continuation = commit.waiter.continuation {
        continuation.resume(returning: outcomes[index])
      } else {
        commit.waiter.result = outcomes[index]
        commit.waiter.condition.signal()
      }
    }
    outcomes.removeAll()
    switch queue.finishGroup() {
    case .wakeLeader(let next): next.waiter.condition.signal()
    case .wakeCommitThread: commitThreadWakeup.signal()
    case .rest:
      idle.broadcast()
      if isClosing { commitThreadWakeup.signal() }
    case .lead, .wait: break
    }
  }

  /// Refuses everything from now on. What was durable stays readable.
  func becomePoisoned(_ error: StorageError) {
    monitor.withLock { if poison == nil { poison = error } }
    context.keys.epochs?.retireCurrent()
  }

  // MARK: Life cycle

  /// Runs `body` while nobody leads a group: it may touch what is the leader's.
  func exclusively<Result>(_ body: () throws(StorageError) -> Result) throws(StorageError) -> Result {
    monitor.lock()
    while !queue.claim() { idle.wait(monitor) }
    monitor.unlock()
    let result: Swift.Result<Result, StorageError>
    do throws(StorageError) {
      result = .success(try body())
    } catch {
      result = .failure(error)
    }
    monitor.lock()
    switch queue.finishGroup() {
    case .wakeLeader(let next): next.waiter.condition.signal()
    case .wakeCommitThread: commitThreadWakeup.signal()
    default:
      idle.broadcast()
      // The commit thread may have found this turn taken when it was told to end.
      if isClosing { commitThreadWakeup.signal() }
    }
    monitor.unlock()
    return try result.get()
  }

  /// Waits for what is under way, refuses what comes, flushes, writes the run and the head, and closes the files.
  func close() throws(StorageError) {
    monitor.lock()
    if isClosing {
      monitor.unlock()
      return
    }
    isClosing = true
    while queue.isFlushing { idle.wait(monitor) }
    maintenanceRequests.insert(.quit)
    maintenanceWakeup.signal()
    commitThreadWakeup.signal()
    let threads = (commitThread, maintenanceThread)
    (commitThread, maintenanceThread) = (nil, nil)
    monitor.unlock()
    threads.0?.join()
    threads.1?.join()
    try finishAtClose()
  }

  /// Ends the threads of a writer that never came into use.
  func abandon() {
    monitor.lock()
    isClosing = true
    maintenanceRequests.insert(.quit)
    maintenanceWakeup.signal()
    let thread = maintenanceThread
    maintenanceThread = nil
    monitor.unlock()
    thread?.join()
  }

  /// Flushes what was written and not flushed.
  func flush() throws(StorageError) {
    let (refusal, mark) = monitor.withLock { (self.refusal, written) }
    if let refusal { throw refusal }
    try makeDurable(mark)
  }

  /// One flush of the segment, then the head, then everybody may see it.
  func makeDurable(_ mark: WrittenMark) throws(StorageError) {
    flushing.lock()
    defer { flushing.unlock() }
    guard mark.end > view.lock.withLock({ view.active === mark.segment ? view.durableEnd : .max }) else { return }
    if let poison = monitor.withLock({ self.poison }) {
      throw StorageError(
        .durabilityUnknown,
        "Another flush failed: what was being stored may or may not be. Close the store and open it again: recovery "
          + "decides.", file: poison.file, cause: poison.cause)
    }
    do throws(SystemError) {
      try mark.segment.file.synchronizeFully()
    } catch {
      let failure = StorageError(
        .durabilityUnknown,
        "A flush failed: what was being stored may or may not be. Close the store and open it again: recovery decides.",
        file: mark.segment.name, cause: error)
      becomePoisoned(failure)
      throw failure
    }
    writeHead(mark)
    view.publishDurable(mark)
    view.waiters.wake { view.durableHead($0) }
  }

  /// Writes the next slot of `HEAD`. It is advisory: an error is noted, and changes nothing.
  func writeHead(_ mark: WrittenMark) {
    headLock.lock()
    defer { headLock.unlock() }
    // The maintenance thread may come with an older mark than a leader has written meanwhile.
    guard mark.nextSequence >= headSequence else { return }
    headSequence = mark.nextSequence
    headTurn += 1
    let head = HeadMark(
      turn: headTurn, ordinal: mark.segment.header.ordinal, generation: mark.segment.header.generation, end: mark.end,
      nextSequence: mark.nextSequence, tag: mark.tag)
    head.encode(to: headBuffer)
    headNeedsFlush = true
    do throws(SystemError) {
      try headFile.writeFully(headBuffer.bytes, at: HeadMark.slotOffsets[Int(headTurn & 1)])
      headMark = head
    } catch {
      headMark = nil
      context.report.note("HEAD could not be written: \(error)")
    }
  }

  /// Makes `HEAD` say this and flushes it. A store in which nothing was stored keeps the `HEAD` that it has.
  func settleHead(_ mark: WrittenMark) {
    let isCurrent = headLock.withLock {
      headMark.map {
        $0.ordinal == mark.segment.header.ordinal && $0.generation == mark.segment.header.generation
          && $0.end == mark.end && $0.nextSequence == mark.nextSequence && $0.tag == mark.tag
      } ?? false
    }
    if !isCurrent { writeHead(mark) }
    headLock.lock()
    defer { headLock.unlock() }
    guard headNeedsFlush else { return }
    do throws(SystemError) {
      try headFile.synchronizeFully()
      headNeedsFlush = false
    } catch {
      context.report.note("HEAD could not be flushed: \(error)")
    }
  }
}

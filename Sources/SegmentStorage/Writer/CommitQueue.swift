/// How one commit waits its turn. Guarded by the writer's monitor.
final class Waiter: @unchecked Sendable {
  let condition = Monitor.Condition()
  /// Set when the waiting thread is to lead the next group.
  var mayLead = false
  var result: Result<CommitReceipt, StorageError>?
  /// Set for an asynchronous append.
  var continuation: UnsafeContinuation<Result<CommitReceipt, StorageError>, Never>?

  func reset() {
    mayLead = false
    result = nil
    continuation = nil
  }
}

/// Who leads the next group of commits: a state machine without a lock or a thread, so that its every path is tested.
///
/// At any time at most one group is being written. Whoever finds nobody leading leads **one** group and hands over: to
/// the commit thread if an asynchronous append waits first, else to the first waiting thread. Asynchronous appends never
/// lead.
struct CommitQueue {
  /// What the caller has to do, after the call.
  enum Action {
    /// Lead a group: take it with ``takeGroup(upTo:)``.
    case lead
    /// Wait until the result is there, or ``Waiter/mayLead`` is set.
    case wait
    /// Wake the commit thread: it leads.
    case wakeCommitThread
    /// Wake the thread that waits for this commit: it leads.
    case wakeLeader(Commit)
    /// Nothing waits.
    case rest
  }

  private var waiting: ContiguousArray<Commit> = []
  /// Whether somebody leads.
  private(set) var isFlushing = false
  /// Whether the commit thread is the one to lead next.
  private(set) var commitThreadMayLead = false

  var isEmpty: Bool { waiting.isEmpty }

  mutating func enqueue(_ commit: Commit, isAsync: Bool) -> Action {
    waiting.append(commit)
    guard !isFlushing else { return .wait }
    isFlushing = true
    if isAsync {
      commitThreadMayLead = true
      return .wakeCommitThread
    }
    return .lead
  }

  /// The next commits in their order: as many as fit `bytes`, at least one.
  mutating func takeGroup(upTo bytes: Int) -> ContiguousArray<Commit> {
    precondition(isFlushing)
    commitThreadMayLead = false
    var total = 0
    var count = 0
    while count < waiting.count {
      total += waiting[count].estimatedSize
      if count > 0 && total > bytes { break }
      count += 1
    }
    if count == waiting.count {
      let group = waiting
      waiting.removeAll(keepingCapacity: true)
      return group
    }
    let group = ContiguousArray(waiting[..<count])
    waiting.removeFirst(count)
    return group
  }

  /// Takes the place of a leader, without a group. `false` while somebody leads.
  mutating func claim() -> Bool {
    guard !isFlushing else { return false }
    isFlushing = true
    return true
  }

  /// The group is done: who goes on?
  mutating func finishGroup() -> Action {
    precondition(isFlushing)
    guard let next = waiting.first else {
      isFlushing = false
      return .rest
    }
    if next.waiter.continuation != nil {
      commitThreadMayLead = true
      return .wakeCommitThread
    }
    next.waiter.mayLead = true
    return .wakeLeader(next)
  }
}

extension Commit {
  /// Roughly the bytes of its frame.
  var estimatedSize: Int { 128 + arena.count + records.count * 64 }
}

import StorageTestSupport

@testable import SegmentStorage

/// A store that lives through crashes and failures beside a model of what it was told.
///
/// What is known after each step: `durable` is what must be there whatever happens; behind it, `pending` are the commits
/// that may be there too, a prefix of them; the first `acknowledged` of these survive the death of the process.
final class Life {
  var files: SimulatedFileSystem
  var fixture: StoreFixture
  private(set) var store: SegmentStore?
  private(set) var durable = LifeState()
  private(set) var now = LifeState()
  private(set) var pending: [LifeCommit] = []
  private(set) var acknowledged = 0
  /// Whether the store has told that it takes nothing more.
  private(set) var isBroken = false

  init(_ files: SimulatedFileSystem, _ fixture: StoreFixture) {
    self.files = files
    self.fixture = fixture.over(files)
  }

  /// Begins with what is known to be in the files.
  func adopt(_ commits: [LifeCommit]) throws {
    for commit in commits { durable.apply(commit) }
    now = durable
  }

  func adopt(_ state: LifeState) {
    durable = state
    now = state
  }

  /// What became of an append.
  enum Answer: Equatable {
    case stored
    case refused(StorageError.Code)
    /// It may be there after the next open.
    case unknown(StorageError.Code)
  }

  /// Appends a commit and compares the answer with what the model says.
  @discardableResult
  func append(_ commit: LifeCommit) throws -> Answer {
    guard let store else { return .refused(.closed) }
    let refusal = now.refusal(of: commit)
    do {
      try store.append(commit)
      try require(refusal == nil, "a commit was stored that had to be refused: \(String(describing: refusal))")
      now.apply(commit)
      pending.append(commit)
      acknowledged = pending.count
      if fixture.options.durability == .commit { settle() }
      return .stored
    } catch let error as StorageError {
      switch error.code {
      case .conflict, .recordNotFound:
        try require(refusal == error.code, "refused: \(error); expected \(String(describing: refusal))")
        return .refused(error.code)
      case .diskFull, .inputOutput: return .refused(error.code)
      case .poisoned, .closed:
        isBroken = true
        return .refused(error.code)
      case .durabilityUnknown:
        isBroken = true
        if refusal == nil { pending.append(commit) }
        return .unknown(error.code)
      default: throw Mismatch("unexpected error: \(error)")
      }
    }
  }

  /// Everything that was acknowledged is durable.
  private func settle() {
    for commit in pending.prefix(acknowledged) { durable.apply(commit) }
    pending.removeFirst(acknowledged)
    acknowledged = 0
  }

  func flush() throws {
    guard let store else { return }
    do throws(StorageError) {
      try store.flush()
    } catch {
      isBroken = true
      return
    }
    settle()
  }

  /// Begins a new segment. What goes wrong is met again by the next append.
  func roll() throws {
    guard let writer = store?.writer else { return }
    do throws(StorageError) {
      guard writer.commitsInSegment else { return }
      try writer.exclusively { () throws(StorageError) in try writer.roll() }
    } catch {
      if error.code == .durabilityUnknown || error.code == .poisoned { isBroken = true }
      return
    }
    settle()
  }

  /// Writes the index of the active segment's first part.
  func writeRun() {
    try? store?.writer?.writePartialRun(ifLongerThan: 0)
  }

  /// Opens the store as it is; what the last process was told and what is there are compared.
  ///
  /// - Parameter isThorough: whether originators and documents are looked at one by one.
  func open(_ access: StoreAccess = .create, isThorough: Bool = true) throws {
    let store = try fixture.open(access)
    self.store = store
    isBroken = false
    do {
      try adopt(store, from: acknowledged, isThorough)
    } catch let error as StorageError {
      // A read that failed: the store is as it was.
      self.store = nil
      try? store.close()
      throw error
    } catch {
      abandon()
      throw error
    }
  }

  func close() throws {
    guard let store else { return }
    self.store = nil
    var failure: StorageError?
    do throws(StorageError) {
      try store.close()
    } catch {
      failure = error
    }
    guard let failure else {
      if !isBroken { settle() }
      return
    }
    try require(
      [.durabilityUnknown, .inputOutput, .diskFull, .poisoned].contains(failure.code), "close: \(failure)")
  }

  /// The process dies: what was acknowledged is with the operating system.
  func kill() {
    abandon()
    become(files.clone())
  }

  /// The power goes.
  func crash(_ outcome: CrashOutcome) {
    abandon()
    become(files.crashed(outcome))
    acknowledged = 0
  }

  private func become(_ next: SimulatedFileSystem) {
    files = next
    fixture = fixture.over(next)
  }

  /// Nothing that the store's end does reaches the files.
  private func abandon() {
    files.powerOff()
    try? store?.close()
    store = nil
  }

  /// Finds which of the states that may be there is there, and goes on from it: what an open has shown is durable.
  private func adopt(_ store: SegmentStore, from least: Int, _ isThorough: Bool) throws {
    now = try Self.match(store, durable, pending, from: least, isThorough: isThorough)
    durable = now
    pending = []
    acknowledged = 0
  }

  /// - Throws: ``Mismatch`` when the store shows none of the states.
  static func match(
    _ store: SegmentStore, _ durable: LifeState, _ pending: [LifeCommit], from least: Int, isThorough: Bool
  ) throws -> LifeState {
    let records = try Int(store.statistics().records)
    var state = durable
    var mismatch = Mismatch(
      "\(records) records, which are no prefix of the commits: \(durable.recordCount) are durable, "
        + "\(pending.prefix(least).map(\.recordCount)) acknowledged, \(pending.dropFirst(least).map(\.recordCount)) unknown"
    )
    for count in 0...pending.count {
      if count > 0 { state.apply(pending[count - 1]) }
      guard count >= least, state.recordCount == records else { continue }
      do {
        try state.check(store, isThorough: isThorough)
        return state
      } catch let error as Mismatch {
        mismatch = error
      }
    }
    throw mismatch
  }

  /// What another process finds in other files: opens twice, and the second time nothing is to be done.
  ///
  /// - Parameters:
  ///   - files: a crash of this life's files.
  ///   - least: how many of the pending commits must be there.
  /// - Returns: what is there.
  @discardableResult
  func examine(_ files: SimulatedFileSystem, from least: Int = 0, isThorough: Bool) throws -> LifeState {
    let fixture = fixture.over(files)
    let store = try fixture.open()
    let state: LifeState
    do {
      state = try Self.match(store, durable, pending, from: least, isThorough: isThorough)
      guard isThorough else {
        files.powerOff()
        return state
      }
    } catch {
      files.powerOff()
      throw error
    }
    try store.close()
    let before = files.allContents()
    let again = try fixture.open(.write)
    try require(again.openReport.cut == nil && again.openReport.tailProven, "a second open found something to do")
    try again.close()
    try require(files.allContents() == before, "a second open changed files")
    // What an open has shown is durable.
    let survivor = files.crashed(.allLost)
    let last = try fixture.over(survivor).open(.write)
    try state.check(last, isThorough: false)
    survivor.powerOff()
    return state
  }
}

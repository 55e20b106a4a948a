extension SimulatedFileSystem {
  /// Adds a fault. When several hit the same call, the first that was added decides; all count the call.
  public func inject(_ fault: SimulatedFault) {
    state.withLock { $0.faults.append(InjectedFault(fault: fault)) }
  }

  /// Ends all faults.
  public func removeFaults() {
    state.withLock { $0.faults = [] }
  }

  /// Faults that have not yet happened, or are permanent.
  public var faults: [SimulatedFault] { state.withLock { $0.faults.map(\.fault) } }

  /// What a flush that fails does to its pages. ``FailedSynchronize/cacheKeepsNew`` unless set.
  public var failedSynchronize: FailedSynchronize {
    get { state.withLock { $0.settings.failedSynchronize } }
    set { state.withLock { $0.settings.failedSynchronize = newValue } }
  }

  /// The sizes of all files together cannot grow beyond this: a write is cut short, then fails with `ENOSPC`. No limit
  /// unless set. Holes count as if they were written.
  public var maximumBytes: Int? {
    get { state.withLock { $0.settings.maximumBytes } }
    set { state.withLock { $0.settings.maximumBytes = newValue } }
  }

  /// Whether a crash can spoil durable bytes that share a sector with unflushed ones. `false` unless set.
  public var sharedSectorsAtRisk: Bool {
    get { state.withLock { $0.settings.sharedSectorsAtRisk } }
    set { state.withLock { $0.settings.sharedSectorsAtRisk = newValue } }
  }

  /// Whether files can be mapped. A mapping is a copy that follows every write. `false` unless set.
  public var supportsMapping: Bool {
    get { state.withLock { $0.settings.supportsMapping } }
    set { state.withLock { $0.settings.supportsMapping = newValue } }
  }

  /// Whether calls are recorded in ``trace``. `true` unless set; switch off for millions of calls.
  public var isTracing: Bool {
    get { state.withLock { $0.settings.isTracing } }
    set { state.withLock { $0.settings.isTracing = newValue } }
  }

  /// Calls since the start, the last crash or ``clearTrace()``; not clocks, and not those after the crash point.
  public var trace: [SimulatedCall] { state.withLock { $0.trace } }

  /// Forgets the calls so far.
  public func clearTrace() {
    state.withLock { $0.trace = [] }
  }

  /// Moves both clocks.
  public func advance(by duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let nanoseconds = max(0, seconds) * 1_000_000_000 + max(0, attoseconds) / 1_000_000_000
    state.withLock { $0.nanoseconds &+= UInt64(nanoseconds) }
  }

  /// How far every call moves the clocks: 1,000 unless set.
  public var nanosecondsPerCall: UInt64 {
    get { state.withLock { $0.nanosecondsPerCall } }
    set { state.withLock { $0.nanosecondsPerCall = newValue } }
  }
}

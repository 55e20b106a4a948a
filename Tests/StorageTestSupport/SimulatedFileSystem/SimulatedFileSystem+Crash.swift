public import SegmentStorage

extension SimulatedFileSystem {
  /// What the machine finds after it went down now, as another file system; this one goes on as if nothing were.
  ///
  /// Nothing is open or locked there, counters and trace are empty, faults are gone, settings stay. Costs microseconds
  /// for a small store: many outcomes of one moment can be tried.
  public func crashed(_ outcome: CrashOutcome = .allLost) -> SimulatedFileSystem {
    SimulatedFileSystem(state.withLock { $0.crashed(outcome) })
  }

  /// The machine goes down and comes up again, in place. Files that were open throw `EIO` from now on.
  public func crash(_ outcome: CrashOutcome = .allLost) {
    state.withLock { $0 = $0.crashed(outcome) }
  }

  /// A copy that is gone on from elsewhere: as ``clone()``, with other random numbers from now on.
  public func fork() -> SimulatedFileSystem {
    let copy = clone()
    copy.state.withLock { $0.generator = SplitMix64(seed: ~$0.generator.next()) }
    return copy
  }

  /// What the next process finds after this one was killed: the page cache is as it was, nothing is open or locked.
  public func clone() -> SimulatedFileSystem {
    SimulatedFileSystem(
      state.withLock { state in
        var copy = state
        copy.restart()
        return copy
      })
  }

  /// The process is killed and another begins, in place: as ``clone()``. Files that were open throw `EIO`.
  public func killProcess() {
    state.withLock { $0.restart() }
  }

  /// Lets `count` mutating calls pass (since the start or the last crash, see ``operationCount``). The next one, and
  /// every call after it, throws an error that ``SegmentStorage/SystemError/isSimulatedPowerLoss`` knows, until
  /// ``crash(_:)``. With 0 nothing passes.
  public func crashAfter(operation count: Int) {
    state.withLock { $0.crashPoint = count }
  }

  /// The power goes now: every later call throws, until ``crash(_:)``.
  public func powerOff() {
    state.withLock { $0.isDown = true }
  }

  /// Whether the crash point was reached.
  public var isDown: Bool { state.withLock { $0.isDown } }

  /// Mutating calls since the start or the last crash: writes, truncations, flushes, and changes of names. Those that
  /// failed count too.
  public var operationCount: Int { state.withLock { $0.operationCount } }

  /// All calls since the start or the last crash, clocks excepted. Each can be made to fail by a fault without kind.
  public var callCount: Int { state.withLock { $0.callCount } }

  /// The changes that a crash could undo, in the order in which they were made.
  public var unsyncedOperations: [UnsyncedOperation] {
    state.withLock { $0.pendingOperations().map(\.operation) }
  }

  /// The sectors that hold written and unflushed bytes, by file (older first) and place.
  public var unsyncedSectors: [SimulatedSector] { state.withLock { $0.pendingSectors() } }

  /// All files as they are now, durable or not.
  public func snapshot() -> SimulatedSnapshot {
    SimulatedSnapshot(state: state.withLock { $0 })
  }

  /// Puts the files back, as from a backup. Files that were open throw `EIO` from now on. Clock and random bytes go on,
  /// faults and crash point are gone.
  public func restore(_ snapshot: SimulatedSnapshot) {
    state.withLock { state in
      state.files = snapshot.state.files
      state.directories = snapshot.state.directories
      state.nextOrder = max(state.nextOrder, snapshot.state.nextOrder)
      state.restart()
    }
  }
}

/// The files of a ``SimulatedFileSystem`` at one moment.
public struct SimulatedSnapshot: Sendable {
  let state: SimulatedState
}

extension SystemError {
  /// Whether a simulated file system threw this because its crash point had been reached.
  public var isSimulatedPowerLoss: Bool { call == SimulatedFileSystem.powerLossCall }
}

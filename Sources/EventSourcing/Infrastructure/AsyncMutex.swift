import Synchronization

/// A lock that a task holds over `await`: others wait for it without blocking a thread, first come, first served.
///
/// Not re-entrant. A task that is cancelled while it waits throws.
final class AsyncMutex: Sendable {
  private struct State {
    var isHeld = false
    var nextTicket = 0
    /// Those who wait, in their order; nil for one who was cancelled before it waited.
    var waiting: [(ticket: Int, continuation: CheckedContinuation<Void, any Error>)] = []
    var cancelled: Set<Int> = []
  }

  private let state = Mutex(State())

  /// Runs `body` while no other body runs.
  ///
  /// - Throws: What `body` throws; `CancellationError`.
  func withLock<Result>(_ body: () async throws -> Result) async throws -> Result {
    try await lock()
    defer { unlock() }
    return try await body()
  }

  /// Runs `body` if no other body runs now.
  func withLockIfFree(_ body: () async throws -> Void) async throws {
    let isFree = state.withLock { state in
      defer { state.isHeld = true }
      return !state.isHeld
    }
    guard isFree else { return }
    defer { unlock() }
    try await body()
  }

  private func lock() async throws {
    let ticket = state.withLock { state -> Int? in
      guard state.isHeld else {
        state.isHeld = true
        return nil
      }
      state.nextTicket += 1
      return state.nextTicket
    }
    guard let ticket else { return }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let outcome: Result<Void, any Error>? = state.withLock { state in
          if state.cancelled.remove(ticket) != nil { return .failure(CancellationError()) }
          guard state.isHeld else {
            state.isHeld = true
            return .success(())
          }
          state.waiting.append((ticket, continuation))
          return nil
        }
        if let outcome { continuation.resume(with: outcome) }
      }
    } onCancel: {
      let found = state.withLock { state -> CheckedContinuation<Void, any Error>? in
        guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else {
          state.cancelled.insert(ticket)
          return nil
        }
        return state.waiting.remove(at: index).continuation
      }
      found?.resume(throwing: CancellationError())
    }
    _ = state.withLock { $0.cancelled.remove(ticket) }
  }

  private func unlock() {
    let next = state.withLock { state -> CheckedContinuation<Void, any Error>? in
      guard !state.waiting.isEmpty else {
        state.isHeld = false
        return nil
      }
      // The lock goes from hand to hand: it is held all the time.
      return state.waiting.removeFirst().continuation
    }
    next?.resume()
  }
}

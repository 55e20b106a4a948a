import Synchronization

/// Whether an application is still open: shared by all that must not be used after it is closed.
final class Lifetime: Sendable {
  private struct Waiters {
    var next = 0
    var all: [Int: CheckedContinuation<Void, any Error>] = [:]
  }

  private let isClosed = Atomic(false)
  private let waiters = Mutex(Waiters())

  /// Closes; false if it was closed already.
  func close() -> Bool {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return false }
    let woken = waiters.withLock { waiters in
      defer { waiters.all.removeAll() }
      return Array(waiters.all.values)
    }
    for continuation in woken { continuation.resume(throwing: Self.closed) }
    return true
  }

  /// - Throws: ``EventSourcingError/Code/programming`` once it is closed.
  func requireOpen() throws(EventSourcingError) {
    guard !isClosed.load(ordering: .acquiring) else { throw Self.closed }
  }

  private static var closed: EventSourcingError {
    EventSourcingError(.programming, "The application is closed; make a new one.")
  }

  /// Runs `body`, and ends it when the application is closed.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` when it is closed; what `body` throws; `CancellationError`.
  func whileOpen(_ body: @escaping @Sendable () async throws -> Void) async throws {
    try requireOpen()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await body() }
      group.addTask { try await self.waitUntilClosed() }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func waitUntilClosed() async throws {
    let ticket = waiters.withLock { waiters in
      waiters.next += 1
      return waiters.next
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let failure: (any Error)? = waiters.withLock { waiters in
          if Task.isCancelled { return CancellationError() }
          if isClosed.load(ordering: .acquiring) { return Self.closed }
          waiters.all[ticket] = continuation
          return nil
        }
        if let failure { continuation.resume(throwing: failure) }
      }
    } onCancel: {
      waiters.withLock { $0.all.removeValue(forKey: ticket) }?.resume(throwing: CancellationError())
    }
  }
}

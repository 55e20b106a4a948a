import Synchronization

/// Whether an application is still open: shared by all that must not be used after it is closed.
final class Lifetime: Sendable {
  private let isClosed = Atomic(false)

  /// Closes; false if it was closed already.
  func close() -> Bool { !isClosed.exchange(true, ordering: .acquiringAndReleasing) }

  /// - Throws: ``EventSourcingError/Code/programming`` once it is closed.
  func requireOpen() throws(EventSourcingError) {
    guard !isClosed.load(ordering: .acquiring) else {
      throw EventSourcingError(.programming, "The application is closed; make a new one.")
    }
  }
}

import Synchronization

/// A stretch of work that a task is about, known to all that it calls by a task-local value.
///
/// Tasks that are begun meanwhile inherit that value and may outlive the work: so a turn knows whether it is over, and what
/// is left to its worker is never left to nobody.
final class Turn: Sendable {
  private let isOver = Mutex(false)

  /// Whether the work still goes on.
  var isGoingOn: Bool { isOver.withLock { !$0 } }

  /// Leaves something to the worker, who will look before ending; false, without calling `body`, if the turn is over.
  func leave(_ body: () -> Void) -> Bool {
    isOver.withLock { isOver in
      if !isOver { body() }
      return !isOver
    }
  }

  /// Ends the turn unless there is more to do.
  ///
  /// - Returns: Whether it is over.
  @discardableResult
  func end(unless hasMore: () -> Bool = { false }) -> Bool {
    isOver.withLock { isOver in
      if !isOver { isOver = !hasMore() }
      return isOver
    }
  }
}

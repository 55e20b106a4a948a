private import Synchronization

/// Tasks that wait for a partition's notification sequence to grow. Thread-safe.
///
/// A wake-up is a hint: whoever is woken looks where the sequence stands.
final class NotificationWaiters: Sendable {
  private struct Waiting {
    var partition: Partition
    var id: Int64
    var continuation: CheckedContinuation<Void, Never>
  }

  private struct State {
    var nextTicket: UInt64 = 0
    var waiting: [UInt64: Waiting] = [:]
    /// Tickets that were cancelled before they waited.
    var cancelled: Set<UInt64> = []
    var isClosed = false
  }

  private let state = Mutex(State())

  /// Waits until ``wake(_:)`` finds the sequence behind `id`, until all are woken, or until the task is cancelled.
  ///
  /// - Parameter isThere: whether it is there already; asked once more when the task is listed, so that nothing is missed.
  func wait(
    for partition: Partition, after id: Int64, isThere: @Sendable () -> Bool
  ) async {
    let ticket = state.withLock { state -> UInt64 in
      state.nextTicket += 1
      return state.nextTicket
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        let isListed = state.withLock { state -> Bool in
          if state.isClosed || state.cancelled.remove(ticket) != nil { return false }
          state.waiting[ticket] = Waiting(
            partition: partition, id: id, continuation: continuation)
          return true
        }
        if !isListed {
          continuation.resume()
        } else if isThere() {
          resume(ticket)
        }
      }
    } onCancel: {
      let found = state.withLock { state -> CheckedContinuation<Void, Never>? in
        if let waiting = state.waiting.removeValue(forKey: ticket) { return waiting.continuation }
        state.cancelled.insert(ticket)
        return nil
      }
      found?.resume()
    }
    _ = state.withLock { $0.cancelled.remove(ticket) }
  }

  private func resume(_ ticket: UInt64) {
    state.withLock { $0.waiting.removeValue(forKey: ticket)?.continuation }?.resume()
  }

  /// Wakes all whose notification is there. Costs one lock when nobody waits.
  func wake(_ head: (Partition) -> Int64) {
    let woken = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      if state.waiting.isEmpty { return [] }
      let ready = state.waiting.filter { _, waiting in head(waiting.partition) > waiting.id }
      for ticket in ready.keys { state.waiting[ticket] = nil }
      return ready.values.map(\.continuation)
    }
    for continuation in woken { continuation.resume() }
  }

  /// Whether somebody waits.
  var isEmpty: Bool { state.withLock { $0.waiting.isEmpty } }

  /// Wakes everybody, now and from now on: the store is closed.
  func close() {
    let woken = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      state.isClosed = true
      defer { state.waiting.removeAll() }
      return state.waiting.values.map(\.continuation)
    }
    for continuation in woken { continuation.resume() }
  }
}

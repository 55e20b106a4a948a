/// Looks at the states of events when they are sealed: to train a dictionary from some of them.
///
/// Called on the sealing thread, on the hot path: whoever is not interested returns at once.
public protocol StateObserver: Sendable {
  /// Shows a topic and a state, valid during the call only, and the ID of the originator as two big-endian words.
  func observe(
    originatorHigh: UInt64, originatorLow: UInt64, topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer)
}

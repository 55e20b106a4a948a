import Synchronization

/// The dictionaries of one open store, by number. Thread-safe: one lock around the table.
public final class DictionaryRegistry: Sendable {
  private struct State {
    var byNumber: [UInt32: CompressionDictionary] = [:]
    var current: CompressionDictionary?
  }

  private let state = Mutex(State())
  /// The highest number, for sessions that keep the current dictionary: asking costs no lock.
  private let highest = Atomic<UInt32>(0)

  /// An empty registry: states are compressed without a dictionary.
  /// Who looks at the states that are sealed, to learn dictionaries from.
  let observer: (any StateObserver)?

  /// An empty registry.
  ///
  /// - Parameter observer: who looks at the states of events when they are sealed.
  public init(observer: (any StateObserver)? = nil) { self.observer = observer }

  /// Adds a dictionary. A number that is known already keeps its content. New states use the highest number.
  public func register(_ dictionary: CompressionDictionary) {
    state.withLock { state in
      guard state.byNumber[dictionary.number] == nil else { return }
      state.byNumber[dictionary.number] = dictionary
      if dictionary.number > state.current?.number ?? 0 {
        state.current = dictionary
        highest.store(dictionary.number, ordering: .releasing)
      }
    }
  }

  /// The dictionary of a number, if it was registered.
  public func dictionary(_ number: UInt32) -> CompressionDictionary? {
    state.withLock { $0.byNumber[number] }
  }

  /// The dictionary that new states are compressed with.
  public var current: CompressionDictionary? { state.withLock { $0.current } }

  /// The current dictionary's number, 0 without one.
  @inline(__always)
  var currentNumber: UInt32 { highest.load(ordering: .acquiring) }
}

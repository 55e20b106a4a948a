import Synchronization

/// Which events a handler is called for: asked once for each batch that is published, however many handlers have it.
///
/// Has an identity: two handlers with the same predicate are given the same object. Safe to use from several tasks at once.
public final class EventPredicate: Sendable {
  let matches: @Sendable ([DomainEvent]) throws -> Bool

  /// Makes a predicate of a function. What it throws goes to whoever published, and no handler is called after that.
  public init(_ matches: @escaping @Sendable ([DomainEvent]) throws -> Bool) { self.matches = matches }

  /// Batches with at least one event of these topics.
  public static func topics(_ topics: Set<String>) -> EventPredicate {
    EventPredicate { events in events.contains { topics.contains($0.topic) } }
  }

  /// Batches with at least one event of these types.
  public static func types(_ types: [any EventPayload.Type]) -> EventPredicate {
    let identities = Set(types.map { ObjectIdentifier($0) })
    return EventPredicate { events in events.contains { identities.contains(ObjectIdentifier(type(of: $0.payload))) } }
  }
}

/// What a handler was subscribed under: the way to unsubscribe it.
public struct EventHandlerToken: Sendable, Hashable {
  fileprivate let number: Int
}

/// Calls handlers for what happened in one application: its own list of subscribers, shared with nobody.
///
/// Handlers are called on the task that publishes, one after the other in the order in which they were subscribed; what
/// they await, it awaits. To follow from outside, and to miss nothing after a crash, use ``Application/subscribe(after:topics:)``.
///
/// Safe to use from several tasks at once; a handler may subscribe and unsubscribe.
public final class EventPublisher: Sendable {
  /// What is called with each batch of events.
  public typealias Handler = @Sendable ([DomainEvent]) async throws -> Void

  private struct Subscriber: Sendable {
    let token: EventHandlerToken
    let predicate: EventPredicate?
    let handler: Handler
  }

  private struct Subscribers {
    var all: [Subscriber] = []
    var next = 0
  }

  private let subscribers = Mutex(Subscribers())

  /// Makes a publisher without handlers.
  public init() {}

  /// Subscribes a handler. The same function subscribed twice is called twice.
  ///
  /// - Parameters:
  ///   - predicate: Which batches it is called for; all unless given.
  ///   - handler: Is called with each batch: the events that were saved together.
  /// - Returns: What to unsubscribe it with.
  @discardableResult
  public func subscribe(predicate: EventPredicate? = nil, handler: @escaping Handler) -> EventHandlerToken {
    subscribers.withLock { subscribers in
      subscribers.next += 1
      let token = EventHandlerToken(number: subscribers.next)
      subscribers.all.append(Subscriber(token: token, predicate: predicate, handler: handler))
      return token
    }
  }

  /// Unsubscribes a handler; without effect if it is not subscribed. A batch that is being published may still reach it.
  public func unsubscribe(_ token: EventHandlerToken) {
    subscribers.withLock { $0.all.removeAll { $0.token == token } }
  }

  /// Unsubscribes all handlers.
  public func clear() { subscribers.withLock { $0.all.removeAll() } }

  /// How many handlers are subscribed.
  public var count: Int { subscribers.withLock { $0.all.count } }

  /// Checks that no handler was left behind, for tests.
  ///
  /// - Throws: ``EventSourcingError/Code/eventHandlersNotEmpty``.
  public func requireEmpty() throws {
    let count = count
    guard count == 0 else {
      throw EventSourcingError(
        .eventHandlersNotEmpty, "\(count) event handlers are still subscribed; unsubscribe each where it is done.")
    }
  }

  /// Calls the handlers that are subscribed now, in their order, each if its predicate holds. Stores nothing.
  ///
  /// - Throws: What a predicate or handler throws, as it is; the handlers after it are not called.
  public func publish(_ events: [DomainEvent]) async throws {
    let now = subscribers.withLock { $0.all }
    var answers: [ObjectIdentifier: Bool] = [:]
    for subscriber in now {
      if let predicate = subscriber.predicate {
        let identity = ObjectIdentifier(predicate)
        let answer = try answers[identity] ?? predicate.matches(events)
        answers[identity] = answer
        guard answer else { continue }
      }
      try await subscriber.handler(events)
    }
  }

  /// Publishes what was saved just now.
  ///
  /// - Throws: ``EventSourcingError/Code/handlerFailed``, never what the handler threw: a conflict in a handler is no
  ///   conflict of the save.
  func publishSaved(_ events: [DomainEvent]) async throws {
    do {
      try await publish(events)
    } catch {
      throw EventSourcingError(
        .handlerFailed, "The events are saved, but a handler that was called for them failed. Do not save them again.",
        originatorID: events.first?.originatorID, position: events.first?.originatorVersion, cause: error)
    }
  }
}

extension Application {
  /// Calls handlers for the events that the application saves.
  public var publisher: EventPublisher { eventStore.publisher }

  /// Calls a handler for each batch of events that this application saves from now on, once they are stored, before `save`
  /// returns.
  ///
  /// If a handler throws, `save` throws ``EventSourcingError/Code/handlerFailed`` although the events are stored.
  ///
  /// - Parameters:
  ///   - predicate: Which batches it is called for; all unless given.
  ///   - handler: Is called with the events that were saved together. Must not wait for a save of the same task.
  /// - Returns: What to unsubscribe it with.
  @discardableResult
  public func subscribe(
    predicate: EventPredicate? = nil, handler: @escaping EventPublisher.Handler
  ) -> EventHandlerToken {
    publisher.subscribe(predicate: predicate, handler: handler)
  }

  /// Unsubscribes a handler; without effect if it is not subscribed.
  public func unsubscribe(_ token: EventHandlerToken) { publisher.unsubscribe(token) }

  /// Unsubscribes all handlers of the application.
  public func clearEventHandlers() { publisher.clear() }
}

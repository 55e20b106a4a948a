/// The IDs by which events are traced through several applications: an event's own, that of the event that caused it, and that
/// of the one that everything began with.
public struct EventLineage: Sendable, Hashable {
  /// The event's ID: `application:originator:version`.
  public let eventID: String
  /// The ID of the event that the chain of causes began with; the event's own if it has no cause.
  public let correlationID: String
  /// The ID of the event that was processed when this one was made; nil if none was.
  public let causationID: String?

  /// Makes a lineage.
  public init(eventID: String, correlationID: String, causationID: String?) {
    self.eventID = eventID
    self.correlationID = correlationID
    self.causationID = causationID
  }
}

/// Where events are made: by which application, and because of which event. What the lineage of new events follows from.
///
/// ```swift
/// reservation.context = EventContext(application: "reservations", processing: event)
/// try reservation.trigger(Reservation.Confirmed())
/// ```
public struct EventContext: Sendable {
  /// The name of the application that makes the events.
  public var application: String
  /// The event that is being processed; nil if a command is carried out.
  public var processedEvent: DomainEvent?

  /// Makes a context.
  public init(application: String, processing event: DomainEvent? = nil) {
    self.application = application
    processedEvent = event
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

extension EventLineage {
  /// The lineage of a new event; nil if its type has none.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the type has one and there is no context, or the other way round,
  ///   or the event that is processed has none.
  static func next<State: Aggregate>(
    for type: State.Type, _ id: UUID, _ version: Int, topic: String, in context: EventContext?
  ) throws -> EventLineage? {
    func wrong(_ message: String) -> EventSourcingError {
      EventSourcingError(.programming, message, originatorID: id, position: version, topic: topic)
    }
    guard State.carriesEventIDs else {
      if context == nil { return nil }
      throw wrong("The events of \(State.self) carry no IDs; set `carriesEventIDs`, or leave the context out.")
    }
    guard let context else {
      throw wrong("The events of \(State.self) carry IDs; set the aggregate's `context` before an event is triggered.")
    }
    let own = "\(context.application):\(id.uuidString.lowercased()):\(version)"
    guard let processed = context.processedEvent else {
      return EventLineage(eventID: own, correlationID: own, causationID: nil)
    }
    guard let cause = processed.lineage else {
      throw wrong("The event that is processed carries no IDs; leave it out of the context.")
    }
    return EventLineage(eventID: own, correlationID: cause.correlationID, causationID: cause.eventID)
  }

  /// The lineage that a stored event carries; nil if it carries none.
  init?(_ table: TokenTable) {
    guard let eventID = table.value(of: ReservedKey.eventID, in: 0).flatMap({ table.string(at: $0) }),
      let correlationID = table.value(of: ReservedKey.correlationID, in: 0).flatMap({ table.string(at: $0) })
    else { return nil }
    let causationID = table.value(of: ReservedKey.causationID, in: 0).flatMap { table.string(at: $0) }
    self.init(eventID: eventID, correlationID: correlationID, causationID: causationID)
  }
}

/// An event that sets one property of an aggregate's state: one type of event for all properties that need no better name.
///
/// ```swift
/// struct Patient: Aggregate {
///   var nickname: String?
///   var room = 0
///
///   struct AttributeChanged: AttributeChangedEvent {
///     static let topic = "Patient.AttributeChanged"
///     static let attributes = [Attribute("nickname", \Patient.nickname), Attribute("room", \Patient.room)]
///     var name: String
///     var value: TranscodedValue
///   }
///   …
/// }
///
/// try patient.change(\.nickname, to: "Countess", by: Patient.AttributeChanged.self)
/// ```
///
/// Stored with the members `name` and `value`, as the reference library's event of that name.
public protocol AttributeChangedEvent<AggregateType>: MutatingEvent {
  /// The type of the aggregate's state.
  associatedtype AggregateType

  /// The properties that may be changed, with the names that they are stored under.
  static var attributes: [Attribute<AggregateType>] { get }

  /// The name of the property.
  var name: String { get }
  /// Its new value, in the stored form.
  var value: TranscodedValue { get }

  /// Makes the event.
  init(name: String, value: TranscodedValue)
}

extension AttributeChangedEvent {
  /// Sets the property.
  ///
  /// - Throws: ``EventSourcingError/Code/decoding`` if no property has the name, or the value is of another type.
  public func mutate(_ aggregate: inout AggregateType) throws {
    guard let attribute = Self.attributes.first(where: { $0.name == name }) else {
      throw EventSourcingError(
        .decoding, "An event changes an attribute that is not among `attributes`: “\(name)”.", topic: Self.topic)
    }
    try attribute.set(&aggregate, value)
  }
}

/// A property that an ``AttributeChangedEvent`` may change, and the name that it is stored under.
public struct Attribute<State: Aggregate>: Sendable {
  /// The name in the stored form: written down, so that the property may be renamed.
  public let name: String
  let path: any AnyKeyPath & Sendable
  let set: @Sendable (inout State, TranscodedValue) throws -> Void

  /// Names a property.
  public init<Value: Codable & Sendable>(_ name: String, _ path: any WritableKeyPath<State, Value> & Sendable) {
    self.name = name
    self.path = path
    set = { state, value in
      state[keyPath: path] = try TranscodingDecoder().decode(Value.self, from: TranscodingEncoder().encode(value))
    }
  }
}

extension AggregateRoot {
  /// Changes a property by an event of a type. An event happens also if the value is the same.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the property is not among the event's `attributes`;
  ///   ``EventSourcingError/Code/encoding`` if the value has no form; otherwise as ``trigger(_:at:)``.
  public func change<Value: Codable, Event: AttributeChangedEvent>(
    _ path: WritableKeyPath<State, Value>, to value: Value, by type: Event.Type, at timestamp: Timestamp = .now
  ) throws where Event.AggregateType == State {
    guard let attribute = Event.attributes.first(where: { ($0.path as AnyKeyPath) == path }) else {
      throw EventSourcingError(
        .programming, "The property is not among the `attributes` of \(Event.self).", originatorID: id,
        position: version + 1, topic: Event.topic)
    }
    let transcoded = try TranscodingDecoder().decode(
      TranscodedValue.self, from: TranscodingEncoder().encode(value))
    try trigger(Event(name: attribute.name, value: transcoded), at: timestamp)
  }
}

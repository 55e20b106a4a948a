extension EventSourcingError {
  /// What kind of failure an ``EventSourcingError`` is. More may be added, so a `switch` needs a default.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    private let name: StaticName

    private enum StaticName: String, Sendable {
      case recordConflict, concurrency, recordNotFound
      case mismatchedOriginator, originatorIDMismatch, originatorVersionMismatch
      case dataIntegrity, eventHash, headHash
      case entityDiscarded, aggregateNotFound
      case topicUnknown, topicDuplicate, reservedProperty, upcastMissing
      case encoding, decoding
      case arrayIndex
      case timeout
      case handlerFailed, eventHandlersNotEmpty
      case promptFailed, causalDependencyFailed
      case programming, operational
    }

    private init(_ name: StaticName) { self.name = name }

    /// Another record already has the place: an originator's position, or a tracking position that would not be raised.
    public static let recordConflict = Code(.recordConflict)
    /// A conflict that an event store met: another writer was faster with the same aggregate. A kind of ``recordConflict``.
    public static let concurrency = Code(.concurrency)
    /// There is no record at the position that was asked for.
    public static let recordNotFound = Code(.recordNotFound)
    /// An event does not fit the aggregate that it is applied to.
    public static let mismatchedOriginator = Code(.mismatchedOriginator)
    /// The event belongs to another originator. A kind of ``mismatchedOriginator``.
    public static let originatorIDMismatch = Code(.originatorIDMismatch)
    /// The event's version is not the next one. A kind of ``mismatchedOriginator``.
    public static let originatorVersionMismatch = Code(.originatorVersionMismatch)
    /// Stored bytes cannot be what was written: a failed authentication, damaged compression, a broken hash.
    public static let dataIntegrity = Code(.dataIntegrity)
    /// The event's attributes do not have the hash that is stored with them. A kind of ``dataIntegrity``.
    public static let eventHash = Code(.eventHash)
    /// The event does not continue the chain. A kind of ``dataIntegrity`` and of ``mismatchedOriginator``.
    public static let headHash = Code(.headHash)
    /// The aggregate was discarded; it takes no more events.
    public static let entityDiscarded = Code(.entityDiscarded)
    /// There is no such aggregate, or it was discarded.
    public static let aggregateNotFound = Code(.aggregateNotFound)
    /// A stored topic names no registered type.
    public static let topicUnknown = Code(.topicUnknown)
    /// Two types were registered with one topic.
    public static let topicDuplicate = Code(.topicDuplicate)
    /// An event has a property with a name that the stored form needs for itself.
    public static let reservedProperty = Code(.reservedProperty)
    /// A state of an older class version has no upcasting step.
    public static let upcastMissing = Code(.upcastMissing)
    /// A value cannot be written in the stored form.
    public static let encoding = Code(.encoding)
    /// Bytes are not the stored form of the value that was asked for.
    public static let decoding = Code(.decoding)
    /// An array has no item at an index, or no room for one.
    public static let arrayIndex = Code(.arrayIndex)
    /// What was waited for did not come in time.
    public static let timeout = Code(.timeout)
    /// Events are saved, but a handler that was subscribed to them failed; the error that it threw is the cause.
    public static let handlerFailed = Code(.handlerFailed)
    /// Handlers are subscribed where none should be left.
    public static let eventHandlersNotEmpty = Code(.eventHandlersNotEmpty)
    /// What was to be saved is saved, but a follower that was prompted for it failed; the cause says why.
    public static let promptFailed = Code(.promptFailed)
    /// An event that must be processed before this one was not processed yet: try again later.
    public static let causalDependencyFailed = Code(.causalDependencyFailed)
    /// A mistake of the program: a wrong argument, use after close.
    public static let programming = Code(.programming)
    /// The store could not do it now: a database or file error that is nobody's mistake.
    public static let operational = Code(.operational)

    /// The code of which this one is a special case, if any.
    private var parents: [Code] {
      switch name {
      case .concurrency: [.recordConflict]
      case .originatorIDMismatch, .originatorVersionMismatch: [.mismatchedOriginator]
      case .eventHash: [.dataIntegrity]
      case .headHash: [.dataIntegrity, .mismatchedOriginator]
      default: []
      }
    }

    /// Whether `code` is `pattern` or a special case of it.
    public static func ~= (pattern: Code, code: Code) -> Bool {
      pattern == code || code.parents.contains(pattern)
    }

    /// Whether this code is `other` or a special case of it; the same as `other ~= self`.
    public func isKind(of other: Code) -> Bool { other ~= self }

    /// The code's name.
    public var description: String { name.rawValue }
  }
}

extension EventSourcingError.Code {
  /// Lets a `catch` clause name a code: `catch EventSourcingError.Code.recordConflict { … }`.
  public static func ~= (pattern: EventSourcingError.Code, error: any Error) -> Bool {
    guard let error = error as? EventSourcingError else { return false }
    return pattern ~= error.code
  }
}

/// A command as an aggregate: what somebody wants done, kept until it is done.
///
/// Commands are saved by an application of their own (a ``CommandProcess``), which those who carry them out follow; or they
/// follow each other, and the one who wanted it sees that it is done.
///
/// ```swift
/// struct MakeTransfer: Command {
///   var amount: Decimal
///   var isDone = false
///   static let doneTopic = "MakeTransfer.Done"
///
///   struct Created: CreatedEvent {
///     static let topic = "MakeTransfer.Created"
///     var amount: Decimal
///     func create() -> MakeTransfer { MakeTransfer(amount: amount) }
///   }
///   static let events: [any AggregateEvent<MakeTransfer>.Type] = [Created.self, CommandDone<MakeTransfer>.self]
/// }
/// ```
public protocol Command: Aggregate {
  /// Whether it is done. ``CommandDone`` sets it.
  var isDone: Bool { get set }

  /// The topic of the event that says so.
  static var doneTopic: String { get }
}

/// The event that says that a command is done.
public struct CommandDone<State: Command>: MutatingEvent, Hashable {
  /// What it changes.
  public typealias AggregateType = State

  /// The command's ``Command/doneTopic``.
  public static var topic: String { State.doneTopic }

  /// Makes the event.
  public init() {}

  /// Sets ``Command/isDone``.
  public func mutate(_ command: inout State) { command.isDone = true }
}

extension AggregateRoot where State: Command {
  /// Says that the command is done.
  ///
  /// - Throws: ``EventSourcingError/Code/entityDiscarded``; ``EventSourcingError/Code/programming`` if ``CommandDone`` is not
  ///   among the command's events.
  public func done(at timestamp: Timestamp = .now) throws { try trigger(CommandDone<State>(), at: timestamp) }
}

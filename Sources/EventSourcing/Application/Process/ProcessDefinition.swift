/// What a process application does with the events of those that it follows.
public protocol ProcessPolicy: Sendable {
  /// Reacts to one event: loads and changes aggregates, adds new ones, changes documents. All of it is stored together with
  /// the position of the event, once, whatever happens; if this throws, nothing is.
  ///
  /// May be called again for the same event after a failure, so it shall change nothing but what the repository gives.
  ///
  /// - Parameters:
  ///   - repository: The application's aggregates and documents, as of this event. Belongs to this call.
  ///   - event: What happened.
  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws
}

/// How a process application processes.
public struct ProcessOptions: Sendable, Hashable {
  /// Whether the policy is applied to the events that it made, too, within the same atomic write. By default not.
  public var appliesPolicyToGeneratedEvents: Bool
  /// Whether events carry which events of other pipelines they build on, so that followers process those first. By
  /// default not.
  public var usesCausalDependencies: Bool
  /// Whether logs that can be are read with queries of many notifications instead of section by section. By default they are.
  public var usesDirectQuery: Bool
  /// The topics of the events that the policy is called for; all unless given. The position passes over the others, whose
  /// types need not be known.
  public var topics: Set<String>?

  /// Makes options.
  public init(
    appliesPolicyToGeneratedEvents: Bool = false, usesCausalDependencies: Bool = false, usesDirectQuery: Bool = true,
    topics: Set<String>? = nil
  ) {
    self.appliesPolicyToGeneratedEvents = appliesPolicyToGeneratedEvents
    self.usesCausalDependencies = usesCausalDependencies
    self.usesDirectQuery = usesDirectQuery
    self.topics = topics
  }
}

/// A process application as a type, apart from the store that it runs over: its name, its aggregates, its policy. What a
/// ``System`` is made of.
///
/// ```swift
/// struct Reservations: ProcessDefinition {
///   static let name = "reservations"
///   static let aggregates: [any Aggregate.Type] = [Reservation.self]
///
///   func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
///     guard event.payload is Order.Created else { return }
///     try repository.add(AggregateRoot.create(Reservation.Created(orderID: event.originatorID)))
///   }
/// }
///
/// extension ProcessApplication<Reservations, _> { … }  // commands
/// ```
public protocol ProcessDefinition: ProcessPolicy {
  /// The application's name in the store: written down, so that the type may be renamed.
  static var name: String { get }
  /// The aggregates that the application has.
  static var aggregates: [any Aggregate.Type] { get }
  /// How the application is set up. By default as ``name`` and ``aggregates`` say, all else as it is by default.
  static var configuration: ApplicationConfiguration { get }
  /// How it processes; the defaults unless given.
  static var options: ProcessOptions { get }

  /// Makes the policy.
  init()
}

extension ProcessDefinition {
  /// Name and aggregates, and the defaults.
  public static var configuration: ApplicationConfiguration {
    ApplicationConfiguration(name: name, aggregates: aggregates)
  }
  /// The defaults.
  public static var options: ProcessOptions { ProcessOptions() }

  /// Does nothing: for an application that only others follow.
  public func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {}
}

/// A policy that is a closure.
public struct PolicyFunction: ProcessPolicy {
  /// What is called for each event.
  public typealias Function = @Sendable (WrappedRepository, DomainEvent) async throws -> Void

  private let function: Function

  /// Makes a policy of a closure.
  public init(_ function: @escaping Function) { self.function = function }

  /// Calls the closure.
  public func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    try await function(repository, event)
  }
}

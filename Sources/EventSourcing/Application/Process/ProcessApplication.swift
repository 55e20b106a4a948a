import Synchronization

/// An application that follows others: it applies its policy to each of their events, and stores what comes of it together
/// with the event's position. Each event is processed once, in order, whatever happens.
///
/// It saves and loads aggregates of its own as ``SimpleApplication`` does. Commands are methods in an extension:
///
/// ```swift
/// extension ProcessApplication where Policy == Orders {
///   func createOrder() async throws -> UUID {
///     let order = try AggregateRoot.create(Order.Created())
///     try await save(order)
///     return order.id
///   }
/// }
/// ```
///
/// Safe to use from several tasks at once; notifications are processed by one of them at a time.
public final class ProcessApplication<Policy: ProcessPolicy, Factory: InfrastructureFactory>: Application {
  /// What is done with events.
  public let policy: Policy
  /// How they are processed.
  public let options: ProcessOptions
  let core: SimpleApplication<Factory>
  /// Held by whoever processes.
  let gate = AsyncMutex()
  let upstreams = Mutex<[Upstream]>([])
  /// Whether it was told of something new by what it processed itself.
  let isToldAgain = Atomic(false)

  /// Makes an application over the store of a factory.
  ///
  /// - Throws: As ``SimpleApplication/init(_:factory:)``.
  public init(
    _ configuration: ApplicationConfiguration, policy: Policy, options: ProcessOptions = ProcessOptions(),
    factory: Factory
  ) async throws {
    self.policy = policy
    self.options = options
    core = try await SimpleApplication(configuration, factory: factory)
  }

  /// How the application is set up.
  public var configuration: ApplicationConfiguration { core.configuration }
  /// What makes the record managers of its store.
  public var factory: Factory { core.factory }
  /// Stores and reads events.
  public var eventStore: EventStore<Factory.Records> { core.eventStore }
  /// Loads aggregates.
  public var repository: Repository<Factory.Records> { core.repository }
  /// What followers read.
  public var notificationLog: RecordManagerNotificationLog<Factory.Records> { core.notificationLog }

  /// Saves the pending events of aggregates and changes of documents; see ``SimpleApplication/save(_:documents:)``.
  @discardableResult
  public func save(_ aggregates: [AnyAggregateRoot], documents: [DocumentChange]) async throws -> [Int?] {
    try await core.save(aggregates, documents: documents)
  }

  /// Stores a process event; see ``SimpleApplication/record(_:)``.
  @discardableResult
  public func record(_ process: ProcessEvent) async throws -> [Int?] { try await core.record(process) }

  /// Calls a handler whenever there are new notifications; see ``Application/subscribeToPrompts(_:)``.
  public func subscribeToPrompts(
    _ handler: @escaping @Sendable (any Prompt) async throws -> Void
  ) -> PromptSubscription {
    core.subscribeToPrompts(handler)
  }

  /// Closes the application and its store; waits for nothing. Again has no effect.
  public func close() async throws { try await core.close() }

  // MARK: Following

  /// Follows another application: reads its log behind the last notification that was processed.
  ///
  /// Following the same one again takes the new log instead. Reads nothing yet: see ``run(_:advancingBy:)``.
  ///
  /// - Parameters:
  ///   - name: The upstream's name, which positions are kept under.
  ///   - log: Its notification log, here or far away.
  ///   - topics: The types of its events, if this application does not know them itself.
  /// - Throws: ``EventSourcingError/Code/programming`` if it is this application's own name and the policy is applied to
  ///   generated events: it would be applied twice.
  public func follow<Log: NotificationLog<EventNotification>>(
    _ name: String, _ log: Log, topics: TopicRegistry? = nil
  ) throws {
    guard name != self.name || !options.appliesPolicyToGeneratedEvents else {
      throw EventSourcingError(
        .programming,
        "An application that applies its policy to the events that it generates cannot follow itself: they would be processed twice."
      )
    }
    let upstream = Upstream(name, log, topics: topics, usesDirectQuery: options.usesDirectQuery)
    upstreams.withLock { upstreams in
      if let index = upstreams.firstIndex(where: { $0.name == name }) {
        upstreams[index] = upstream
      } else {
        upstreams.append(upstream)
      }
    }
  }

  /// Follows another application, in the same pipeline.
  ///
  /// - Throws: As ``follow(_:_:topics:)``.
  public func follow(_ upstream: some Application) throws {
    try follow(upstream.name, upstream.notificationLog, topics: upstream.topics)
  }

  /// The names of the applications that are followed, in the order in which that began.
  public var upstreamNames: [String] { upstreams.withLock { $0.map(\.name) } }
}

extension ProcessApplication where Policy == PolicyFunction {
  /// Makes an application whose policy is a closure.
  ///
  /// - Throws: As ``SimpleApplication/init(_:factory:)``.
  public convenience init(
    _ configuration: ApplicationConfiguration, options: ProcessOptions = ProcessOptions(), factory: Factory,
    policy: @escaping PolicyFunction.Function
  ) async throws {
    try await self.init(configuration, policy: PolicyFunction(policy), options: options, factory: factory)
  }
}

extension ProcessApplication where Policy: ProcessDefinition {
  /// Makes the application that a type defines.
  ///
  /// - Parameters:
  ///   - configuration: How it is set up; as the type says unless given.
  ///   - factory: Makes the store.
  /// - Throws: As ``SimpleApplication/init(_:factory:)``.
  public convenience init(
    _ type: Policy.Type, configuration: ApplicationConfiguration = Policy.configuration, factory: Factory
  ) async throws {
    try await self.init(configuration, policy: Policy(), options: Policy.options, factory: factory)
  }
}

/// An application that is followed: its log, and how far it was read.
final class Upstream: @unchecked Sendable {  // `reader` and the rest are used under the follower's `gate` only
  let name: String
  let topics: TopicRegistry?
  /// Whether the reader stands where the stored position is.
  var isPositioned = false
  private let readPage: (_ stop: Int?, _ count: Int) async throws -> [EventNotification]
  private let seekPosition: (Int) throws -> Void

  init<Log: NotificationLog<EventNotification>>(
    _ name: String, _ log: Log, topics: TopicRegistry?, usesDirectQuery: Bool
  ) {
    let reader = NotificationLogReader(log, usesDirectQuery: usesDirectQuery)
    self.name = name
    self.topics = topics
    readPage = { try await reader.list(through: $0, advancingBy: $1) }
    seekPosition = { try reader.seek($0) }
  }

  /// The next notifications, at most `count` and through `stop`; none at the end.
  func read(through stop: Int?, _ count: Int) async throws -> [EventNotification] { try await readPage(stop, count) }

  func seek(_ position: Int) throws { try seekPosition(position) }
}

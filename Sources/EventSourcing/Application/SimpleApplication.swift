#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What every application is, whatever its store: repository, event store, and saving.
public protocol Application<Factory>: AnyObject, Sendable {
  /// What makes the record managers of the store.
  associatedtype Factory: InfrastructureFactory

  /// How the application is set up.
  var configuration: ApplicationConfiguration { get }
  /// Loads aggregates.
  var repository: Repository<Factory.Records> { get }
  /// Stores and reads events.
  var eventStore: EventStore<Factory.Records> { get }
  /// What followers read.
  var notificationLog: RecordManagerNotificationLog<Factory.Records> { get }

  /// Saves the pending events of aggregates and changes of documents, all or none.
  ///
  /// See ``SimpleApplication/save(_:documents:)``.
  @discardableResult
  func save(_ aggregates: [AnyAggregateRoot], documents: [DocumentChange]) async throws -> [Int?]

  /// Stores a process event: its events, tracking position and documents, all or none.
  @discardableResult
  func record(_ process: ProcessEvent) async throws -> [Int?]

  /// Calls a handler whenever there are new notifications, after they are saved, in the task that saved them, which waits
  /// for it; and once when the application is closed.
  ///
  /// An error of the handler reaches whoever saved, as ``EventSourcingError/Code/promptFailed``.
  ///
  /// - Returns: What ends the subscription when it is cancelled, or not held any more.
  func subscribeToPrompts(_ handler: @escaping @Sendable (any Prompt) async throws -> Void) -> PromptSubscription

  /// Closes the application and its store.
  func close() async throws
}

extension Application {
  /// The application's name.
  public var name: String { configuration.name }
  /// The pipeline that it writes in.
  public var pipelineID: Int { configuration.pipelineID }
  /// Maps events to stored events and back.
  public var mapper: SequencedItemMapper { eventStore.mapper }
  /// Keeps the application's records, in its pipeline.
  public var records: Factory.Records { eventStore.records }
  /// The types that the application knows.
  public var topics: TopicRegistry { eventStore.topics }

  /// Saves the pending events of aggregates, all or none.
  ///
  /// See ``SimpleApplication/save(_:documents:)``.
  @discardableResult
  public func save(_ aggregates: [AnyAggregateRoot]) async throws -> [Int?] {
    try await save(aggregates, documents: [])
  }

  /// Saves the pending events of aggregates, all or none.
  ///
  /// See ``SimpleApplication/save(_:documents:)``.
  @discardableResult
  public func save(_ aggregates: AnyAggregateRoot...) async throws -> [Int?] {
    try await save(aggregates, documents: [])
  }
}

/// An application over one store: it saves aggregates and loads them again.
///
/// Which store, says its factory; ``PopoApplication`` keeps everything in memory. Safe to use from several tasks at once.
public final class SimpleApplication<Factory: InfrastructureFactory>: Application {
  /// How the application is set up.
  public let configuration: ApplicationConfiguration
  /// What makes the record managers of its store.
  public let factory: Factory
  /// Stores and reads events.
  public let eventStore: EventStore<Factory.Records>
  /// Loads aggregates.
  public let repository: Repository<Factory.Records>
  /// What followers read: the application's notifications, in its pipeline.
  public let notificationLog: RecordManagerNotificationLog<Factory.Records>

  private let lifetime: Lifetime
  private let prompts: PromptPublisher
  private let cache: AggregateCache?
  private let persistence: PersistencePolicy

  /// Makes an application over the store of a factory.
  ///
  /// States are sealed by the store's own codec if it has one and the configuration has neither cipher nor compressor;
  /// else by those.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the name is empty or too long, or a section has no room; ``EventSourcingError/Code/topicDuplicate``
  ///   or ``EventSourcingError/Code/reservedProperty`` for the aggregates of the configuration; what the factory throws.
  public init(_ configuration: ApplicationConfiguration, factory: Factory) async throws {
    guard !configuration.name.isEmpty, configuration.name.utf8.count <= 255 else {
      throw EventSourcingError(.programming, "An application's name must have 1 to 255 bytes.")
    }
    guard !configuration.name.hasSuffix(itemsSuffix) else {
      throw EventSourcingError(
        .programming, "An application's name must not end with “\(itemsSuffix)”: arrays are kept under such names.")
    }
    let lifetime = Lifetime()
    let topics = TopicRegistry(substitutions: configuration.topicSubstitutions)
    for type in configuration.aggregates { try topics.register(type) }
    let mapper = SequencedItemMapper(configuration, sealer: factory.stateSealer)
    let records = try await factory.recordManager(
      for: RecordPartition(application: configuration.name, pipelineID: configuration.pipelineID))
    let cache = configuration.usesCache ? AggregateCache(capacity: configuration.cacheCapacity) : nil
    let eventStore = EventStore(records: records, mapper: mapper, topics: topics, lifetime: lifetime)
    self.configuration = configuration
    self.factory = factory
    self.lifetime = lifetime
    prompts = PromptPublisher()
    persistence = PersistencePolicy(configuration.persistedEventTypes)
    self.cache = cache
    self.eventStore = eventStore
    notificationLog = try RecordManagerNotificationLog(
      records, sectionSize: configuration.sectionSize, lifetime: lifetime)
    let snapshots = try await SnapshotStrategy(configuration, factory: factory, for: eventStore)
    self.repository = Repository(eventStore: eventStore, cache: cache, snapshots: snapshots)
  }

  /// The same application in another pipeline.
  private init(_ other: SimpleApplication<Factory>, records: Factory.Records) throws {
    configuration = {
      var configuration = other.configuration
      configuration.pipelineID = records.partition.pipelineID
      return configuration
    }()
    factory = other.factory
    lifetime = other.lifetime
    prompts = other.prompts
    cache = other.cache
    persistence = other.persistence
    eventStore = EventStore(other.eventStore, records: records)
    repository = Repository(eventStore: eventStore, cache: other.cache, snapshots: other.repository.snapshots)
    notificationLog = try RecordManagerNotificationLog(
      records, sectionSize: configuration.sectionSize, lifetime: lifetime)
  }

  /// The same application, writing in another pipeline: its saves get that pipeline's notification IDs, and its notification
  /// log is that pipeline's.
  ///
  /// Aggregates are in no pipeline: each application object loads and saves all of them. Cache, handlers and snapshots are
  /// shared, and so is the store: closing one closes both.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the application is closed, or the store has no such pipeline.
  public func inPipeline(_ pipelineID: Int) async throws -> SimpleApplication<Factory> {
    try lifetime.requireOpen()
    let records = try await factory.recordManager(
      for: RecordPartition(application: configuration.name, pipelineID: pipelineID))
    return try SimpleApplication(self, records: records)
  }

  /// Saves the pending events of aggregates and changes of documents, all or none, in one atomic write.
  ///
  /// If it throws, the events are still pending in their aggregates (the reference library loses them), unless the error is
  /// ``EventSourcingError/Code/handlerFailed`` or ``EventSourcingError/Code/promptFailed``: then all is saved. After a conflict the aggregates are older than the store:
  /// load them again and repeat the change. Nothing pending is fine.
  ///
  /// - Returns: The notification ID of each event, in the order of the aggregates and their events; nil for one that is not
  ///   notifiable.
  /// - Throws: ``EventSourcingError/Code/recordConflict`` if another writer was faster; ``EventSourcingError/Code/topicDuplicate``
  ///   if a type that is first used here has a topic of another; ``EventSourcingError/Code/programming`` for an event that is
  ///   not among ``ApplicationConfiguration/persistedEventTypes``; what the store throws; and, although all is saved,
  ///   ``EventSourcingError/Code/handlerFailed`` and ``EventSourcingError/Code/promptFailed``.
  @discardableResult
  public func save(_ aggregates: [AnyAggregateRoot], documents: [DocumentChange]) async throws -> [Int?] {
    let changes = PendingChanges(aggregates)
    let ids = try await store(changes, documents: documents)
    try await announce(changes.events, ids)
    return ids
  }

  /// Stores a process event: its events, tracking position and documents, all or none. Nothing at all is fine.
  ///
  /// For those who make events on their own; ``save(_:documents:)`` and ``ProcessApplication`` do it for aggregates.
  ///
  /// - Returns: The notification ID of each event; nil for one that is not notifiable.
  /// - Throws: As ``save(_:documents:)``; ``EventSourcingError/Code/recordConflict`` if the tracking position is not higher
  ///   than the one that is stored.
  @discardableResult
  public func record(_ process: ProcessEvent) async throws -> [Int?] {
    let ids: [Int?]
    do {
      // What the cache holds of these aggregates is older than their events, or than what they conflict with.
      defer { cache?.evict(Set(process.events.map(\.originatorID))) }
      ids = try await write(process)
    }
    await takeSnapshots(after: process.events)
    try await announce(process.events, ids)
    return ids
  }

  /// Stores what is pending, and takes it out of the aggregates.
  func store(
    _ changes: PendingChanges, tracking: Tracking? = nil, causalDependencies: [CausalDependency]? = nil,
    documents: [DocumentChange] = []
  ) async throws -> [Int?] {
    let process = ProcessEvent(
      events: changes.events, tracking: tracking, causalDependencies: causalDependencies, documents: documents)
    let ids: [Int?]
    do {
      try lifetime.requireOpen()
      for aggregate in changes.aggregates { try aggregate.register(in: topics) }
      ids = try await write(process)
    } catch {
      cache?.evict(Set(changes.aggregates.map(\.id)))
      throw error
    }
    for (aggregate, count) in zip(changes.aggregates, changes.counts) {
      aggregate.confirmSaved(count)
      // What happened meanwhile is not saved: such a value is not for the cache.
      if let cache, aggregate.pendingEvents.isEmpty { aggregate.put(in: cache) }
    }
    await takeSnapshots(after: changes.events)
    return ids
  }

  /// Makes room for the application's records, where a store needs that; the stores of this package do not. Again has no effect.
  public func setUp() async throws {
    try lifetime.requireOpen()
    try await factory.setUp(application: name)
  }

  /// Removes all records of the application, its arrays and logs included, in all pipelines, and goes on empty. Handlers stay.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the store cannot do that: segments are only ever appended to.
  public func drop() async throws {
    try lifetime.requireOpen()
    try await factory.drop(application: name)
    try await factory.drop(application: ItemStore<Factory.Records>.name(for: name))
    cache?.removeAll()
  }

  private func write(_ process: ProcessEvent) async throws -> [Int?] {
    try lifetime.requireOpen()
    guard !process.events.isEmpty || process.tracking != nil || !process.documents.isEmpty else { return [] }
    try persistence.require(process.events)
    var stored = try eventStore.storedEvents(from: process.events)
    // With one that followers see.
    if let first = stored.firstIndex(where: \.isNotifiable) {
      stored[first].causalDependencies = process.causalDependencies
    }
    return try await records.write(stored, tracking: process.tracking, documents: process.documents)
  }

  /// Tells handlers what was saved, and then followers that there is something new; them also if a handler fails.
  func announce(_ events: [DomainEvent], _ ids: [Int?], prompts isPrompting: Bool = true) async throws {
    var failure: (any Error)?
    do {
      if !events.isEmpty { try await publisher.publishSaved(events) }
    } catch {
      failure = error
    }
    if isPrompting { try await publishPrompt(ids) }
    if let failure { throw failure }
  }

  /// Tells followers that there is something new.
  func publishPrompt(_ ids: [Int?]) async throws {
    try await prompts.publish(
      PromptToPull(processName: name, pipelineID: pipelineID, headNotificationID: ids.last { $0 != nil } ?? nil))
  }

  /// Calls a handler whenever there are new notifications; see ``Application/subscribeToPrompts(_:)``.
  public func subscribeToPrompts(
    _ handler: @escaping @Sendable (any Prompt) async throws -> Void
  ) -> PromptSubscription {
    prompts.subscribe(handler)
  }

  /// Closes the application and its store. Again has no effect. Whatever is used afterwards throws
  /// ``EventSourcingError/Code/programming``.
  public func close() async throws {
    try await close(closesStore: true)
  }

  func close(closesStore: Bool) async throws {
    guard lifetime.close() else { return }
    cache?.removeAll()
    // A follower that fails now must not keep the store open.
    try? await prompts.publish(PromptToQuit())
    if closesStore { try await factory.close() }
  }
}

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// A log of messages, kept in buckets of time: the aggregate that says how large they are. Its ID is the log's name.
public struct TimeBucketedLog: Aggregate {
  /// The log's name, and ID.
  public let name: UUID
  /// How much time a bucket spans.
  public let bucketSize: TimeBucketSize

  enum CodingKeys: String, CodingKey {
    case name = "_name"
    case bucketSize = "_bucket_size"
  }

  /// The reference library's.
  public static let topic: String? = "eventsourcing.domain.model.timebucketedlog#Timebucketedlog"
  /// Its own.
  public static let discardedTopic = "eventsourcing.domain.model.timebucketedlog#Timebucketedlog.Discarded"

  /// A log was started.
  public struct Started: CreatedEvent {
    /// The reference library's.
    public static let topic = "eventsourcing.domain.model.timebucketedlog#Timebucketedlog.Started"
    /// The log's name.
    public var name: UUID
    /// How much time a bucket spans.
    public var bucketSize: TimeBucketSize

    enum CodingKeys: String, CodingKey {
      case name
      case bucketSize = "bucket_size"
    }

    /// Makes the event.
    public init(name: UUID, bucketSize: TimeBucketSize) {
      self.name = name
      self.bucketSize = bucketSize
    }

    /// A log without messages.
    public func create() -> TimeBucketedLog { TimeBucketedLog(name: name, bucketSize: bucketSize) }
  }

  /// The only one; messages are no events of the log.
  public static let events: [any AggregateEvent<TimeBucketedLog>.Type] = [Started.self]
}

/// A message in a time-bucketed log.
public struct LoggedMessage: Sendable, Hashable {
  /// When it was logged: its place in the log.
  public let timestamp: Timestamp
  /// What was logged.
  public let message: String
  /// The bucket that it is in.
  public let bucketID: UUID
}

/// The time-bucketed logs of an application.
///
/// ```swift
/// let logs = try await TimeBucketedLogRepository(of: bank, factory: bank.factory)
/// let log = try await logs.getOrCreate(name, bucketSize: .month)
/// try await logs.append("The doors are open.", to: log.state)
/// ```
///
/// A value, so free to use from several tasks, processes and machines at once.
public struct TimeBucketedLogRepository<App: Application>: Sendable {
  private let application: App
  let store: ItemStore<App.Factory.Records>

  /// Makes a repository over the store of an application.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the application is closed; what the factory throws.
  public init(of application: App, factory: App.Factory) async throws {
    self.application = application
    store = try await ItemStore(of: application, factory: factory)
  }

  /// Starts a log: saves its aggregate.
  ///
  /// - Parameters:
  ///   - name: The log's name, which becomes the aggregate's ID.
  ///   - bucketSize: How much time a bucket spans; a year unless given.
  ///   - timestamp: When it begins; now unless given.
  /// - Throws: ``EventSourcingError/Code/recordConflict`` if there is one already; what saving throws.
  public func start(
    _ name: UUID, bucketSize: TimeBucketSize = .year, at timestamp: Timestamp = .now
  ) async throws -> AggregateRoot<TimeBucketedLog> {
    let log = try AggregateRoot.create(
      TimeBucketedLog.Started(name: name, bucketSize: bucketSize), id: name, at: timestamp)
    try await application.save(log)
    return log
  }

  /// The log with a name, started if there is none. One that is there keeps the size of its buckets.
  ///
  /// - Throws: ``EventSourcingError/Code/aggregateNotFound`` if it was discarded; what loading and saving throw.
  public func getOrCreate(
    _ name: UUID, bucketSize: TimeBucketSize = .year
  ) async throws -> AggregateRoot<TimeBucketedLog> {
    if let known = try await application.repository.find(TimeBucketedLog.self, name) { return known }
    do {
      return try await start(name, bucketSize: bucketSize)
    } catch EventSourcingError.Code.recordConflict {
      return try await application.repository.get(TimeBucketedLog.self, name)
    }
  }

  /// Logs a message. One write; of several in one microsecond each gets the next one that is free.
  ///
  /// - Parameters:
  ///   - message: The message.
  ///   - log: The log.
  ///   - timestamp: When; now unless given. Messages from before the log was started are not found.
  /// - Returns: The message with its time and bucket.
  /// - Throws: What the store throws.
  @discardableResult
  public func append(
    _ message: String, to log: TimeBucketedLog, at timestamp: Timestamp = .now
  ) async throws -> LoggedMessage {
    var time = timestamp
    while true {
      let bucket = log.bucketSize.bucketID(of: log.name, at: time)
      do {
        try await store.record([
          try store.item(
            MessageLogged(message: message, originator_id: bucket, timestamp: time), topic: MessageLogged.topic,
            of: bucket, at: Int(time.microseconds))
        ])
        return LoggedMessage(timestamp: time, message: message, bucketID: bucket)
      } catch let error as EventSourcingError where error.code == .concurrency {
        time.microseconds += 1
      }
    }
  }

  /// A reader of a log.
  ///
  /// - Parameter pageSize: The most messages that are in memory; 50 unless given.
  public func reader(
    _ log: AggregateRoot<TimeBucketedLog>, pageSize: Int = 50
  ) -> TimeBucketedLogReader<App.Factory.Records> {
    TimeBucketedLogReader(log: log.state, startedOn: log.createdOn, store: store, pageSize: max(1, pageSize))
  }
}

/// A message was logged, in the form of the reference library.
struct MessageLogged: Codable {
  static let topic = "eventsourcing.domain.model.timebucketedlog#MessageLogged"
  var message: String
  var originator_id: UUID
  var timestamp: Timestamp
}

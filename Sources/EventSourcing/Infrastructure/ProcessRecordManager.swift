#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// An event in the notification sequence of its application and pipeline.
public struct EventNotification: Sendable, Hashable {
  /// Its place in the sequence, from 1 and without gaps.
  public var id: Int
  /// The event.
  public var event: StoredEvent

  /// Makes a notification.
  public init(id: Int, event: StoredEvent) {
    self.id = id
    self.event = event
  }
}

/// A record manager whose records are also in one sequence, in the order in which they were recorded.
public protocol NotificationRecordManager: RecordManager {
  /// The highest notification ID of the partition; 0 if there is none.
  func maxNotificationID() async throws -> Int

  /// The notifications with IDs from `start + 1` through `stop`: both bounds are zero-based and the range is half-open.
  ///
  /// - Parameters:
  ///   - start: How many notifications to pass over; nil for none.
  ///   - stop: Where to stop; nil for the end.
  /// - Returns: Notifications in ascending order of their IDs; empty if the range is, or lies beyond the end.
  func notifications(start: Int?, stop: Int?) async throws -> [EventNotification]

  /// Waits until there is a notification behind `id`, or until the task is cancelled. A wake-up is a hint, the position is
  /// the truth: look at ``maxNotificationID()``.
  func waitForNotification(after id: Int) async throws
}

extension NotificationRecordManager {
  /// Looks every 10 ms: for a store that cannot tell.
  public func waitForNotification(after id: Int) async throws {
    while try await maxNotificationID() <= id { try await Task.sleep(nanoseconds: 10_000_000) }
  }
}

/// How far an application has processed an upstream's notifications in its own pipeline.
public struct Tracking: Sendable, Hashable {
  /// The name of the upstream application.
  public var upstream: String
  /// The notification that was processed.
  public var notificationID: Int
  /// The position that must be the recorded one, 0 for none; nil for whichever is lower. For whoever processes several
  /// notifications in one write.
  public var expectedPosition: Int?

  /// Makes a tracking position.
  public init(upstream: String, notificationID: Int, after expectedPosition: Int? = nil) {
    self.upstream = upstream
    self.notificationID = notificationID
    self.expectedPosition = expectedPosition
  }
}

/// A record manager that keeps the highest notification processed per (application, upstream, pipeline).
public protocol TrackingRecordManager: RecordManager {
  /// The highest notification ID of `upstream` that was processed by this application in a pipeline; 0 if none was.
  ///
  /// - Parameter pipelineID: The pipeline of both; the partition's own unless given.
  func maxTrackingID(upstream: String, pipelineID: Int?) async throws -> Int
}

extension TrackingRecordManager {
  /// The highest notification ID of `upstream` that was processed by this application in this pipeline; 0 if none was.
  public func maxTrackingID(upstream: String) async throws -> Int {
    try await maxTrackingID(upstream: upstream, pipelineID: nil)
  }

  /// Whether a notification of `upstream` was processed by this application in a pipeline.
  public func hasTrackingRecord(upstream: String, pipelineID: Int, notificationID: Int) async throws -> Bool {
    try await notificationID <= maxTrackingID(upstream: upstream, pipelineID: pipelineID)
  }
}

/// A change of a document: what an application keeps under a key beside its events.
public struct DocumentChange: Sendable, Hashable {
  /// The document's key: 1 to 1,024 bytes of UTF-8, of the application's own choosing.
  public var key: String
  /// The new content; nil deletes the document.
  public var content: [UInt8]?

  /// Puts a document, or deletes it.
  public init(key: String, content: [UInt8]?) {
    self.key = key
    self.content = content
  }

  /// Puts a value, in the JSON form that events have.
  ///
  /// - Throws: ``EventSourcingError/Code/encoding`` if the value has no form.
  public init(key: String, value: some Encodable) throws {
    self.init(key: key, content: try TranscodingEncoder().encode(value))
  }
}

/// A document as it was stored last.
public struct StoredDocument: Sendable, Hashable {
  /// The document's key.
  public var key: String
  /// Its content.
  public var content: [UInt8]

  /// Makes a document.
  public init(key: String, content: [UInt8]) {
    self.key = key
    self.content = content
  }
}

/// A record manager that keeps documents: one content a key, shared by all pipelines of an application.
public protocol DocumentRecordManager: RecordManager {
  /// The document of a key; nil if there is none.
  func document(_ key: String) async throws -> [UInt8]?

  /// The documents whose keys begin with a prefix, in the order of the keys' UTF-8 bytes. Costs a read of each of the
  /// application's documents; opening a store costs nothing for them.
  func documents(withPrefix prefix: String) async throws -> [StoredDocument]
}

/// A record manager that records events together with the tracking position of the notification that caused them, and
/// with changes of documents: what makes processing exactly-once.
public protocol ProcessRecordManager: NotificationRecordManager, TrackingRecordManager, DocumentRecordManager {
  /// Records events, a tracking position and changes of documents, atomically. Nothing of either has no effect.
  ///
  /// - Parameters:
  ///   - events: Events of any number of originators.
  ///   - tracking: The notification that was processed; its ID must be higher than the highest so far, and that must be the
  ///     expected one if it says so.
  ///   - documents: Documents to put and delete; of several changes of one key the last one counts.
  /// - Returns: For each event its notification ID, in the same order; nil for an event that is not notifiable, or in a
  ///   role without notifications.
  /// - Throws: ``EventSourcingError/Code/recordConflict`` if a position is taken, or the tracking position would not be
  ///   raised; then nothing is recorded. ``EventSourcingError/Code/operational`` if the store could not do it.
  @discardableResult
  func write(_ events: [StoredEvent], tracking: Tracking?, documents: [DocumentChange]) async throws -> [Int?]

  /// Where an event of the application stands among the notifications of its pipelines; nil if there is no such event, or
  /// it has no notification ID.
  func notificationPlace(of originatorID: UUID, at position: Int) async throws -> CausalDependency?
}

extension ProcessRecordManager {
  /// Records events and a tracking position, atomically.
  ///
  /// - Throws: As ``write(_:tracking:documents:)``.
  @discardableResult
  public func write(_ events: [StoredEvent], tracking: Tracking?) async throws -> [Int?] {
    try await write(events, tracking: tracking, documents: [])
  }
  /// Records events, atomically, without a tracking position.
  public func record(_ items: [StoredEvent]) async throws {
    _ = try await write(items, tracking: nil)
  }
}

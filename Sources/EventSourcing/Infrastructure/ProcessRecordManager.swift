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
}

/// How far an application has processed an upstream's notifications in its own pipeline.
public struct Tracking: Sendable, Hashable {
  /// The name of the upstream application.
  public var upstream: String
  /// The notification that was processed.
  public var notificationID: Int

  /// Makes a tracking position.
  public init(upstream: String, notificationID: Int) {
    self.upstream = upstream
    self.notificationID = notificationID
  }
}

/// A record manager that keeps the highest notification processed per (application, upstream, pipeline).
public protocol TrackingRecordManager: RecordManager {
  /// The highest notification ID of `upstream` that was processed by this application in this pipeline; 0 if none was.
  func maxTrackingID(upstream: String) async throws -> Int
}

/// A record manager that records events together with the tracking position of the notification that caused them: what
/// makes processing exactly-once.
public protocol ProcessRecordManager: NotificationRecordManager, TrackingRecordManager {
  /// Records events and a tracking position, atomically. Nothing of either has no effect.
  ///
  /// - Parameters:
  ///   - events: Events of any number of originators.
  ///   - tracking: The notification that was processed; its ID must be higher than the highest so far.
  /// - Returns: For each event its notification ID, in the same order; nil for an event that is not notifiable, or in a
  ///   role without notifications.
  /// - Throws: ``EventSourcingError/Code/recordConflict`` if a position is taken, or the tracking position would not be
  ///   raised; then nothing is recorded. ``EventSourcingError/Code/operational`` if the store could not do it.
  @discardableResult
  func write(_ events: [StoredEvent], tracking: Tracking?) async throws -> [Int?]
}

extension ProcessRecordManager {
  /// Records events, atomically, without a tracking position.
  public func record(_ items: [StoredEvent]) async throws {
    _ = try await write(items, tracking: nil)
  }
}

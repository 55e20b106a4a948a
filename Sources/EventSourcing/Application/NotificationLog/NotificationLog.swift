/// What followers of an application read: its notifications in their order, by sections.
///
/// This is all that a reader needs of a log, be it in this process or far away.
public protocol NotificationLog<Item>: Sendable {
  /// What stands in the log; its ID is the notification ID, from 1, rising.
  associatedtype Item: Identifiable & Sendable where Item.ID == Int

  /// How many notification IDs belong to a section. Costs a request if the log is far away.
  var sectionSize: Int { get async throws }

  /// A section: `"current"` for the last one, which may be empty, or like `"1,20"`.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the ID is neither; what the store throws.
  func section(_ id: String) async throws -> Section<Item>
}

extension EventNotification: Identifiable {}

/// A notification log that is made of two questions to a store.
public protocol LocalNotificationLog<Item>: NotificationLog {
  /// The highest ID that was given; 0 if there is none.
  func head() async throws -> Int

  /// The items with IDs from `start + 1` through `stop`, by ascending ID, without those that were deleted.
  func items(start: Int, stop: Int) async throws -> [Item]
}

/// The size of sections unless another is given.
public let defaultSectionSize = 20

extension LocalNotificationLog {
  /// A section, from the log's head and one query.
  public func section(_ id: String) async throws -> Section<Item> {
    let size = try await sectionSize
    let head = try await head()
    let range = id == "current" ? SectionRange(after: head, size: size) : try SectionRange(id: id, size: size)
    let items = head > range.start ? try await items(start: range.start, stop: min(range.end, head)) : []
    return Section(
      id: range.id, items: items, previousID: range.previousID, nextID: head >= range.end ? range.nextID : nil)
  }
}

/// The notification log of a partition of a store.
///
/// States are as the store's record managers show them: opened, if the store has a codec of its own.
public struct RecordManagerNotificationLog<Records: NotificationRecordManager>: LocalNotificationLog {
  /// What stands in the log.
  public typealias Item = EventNotification
  /// Where the notifications are.
  public let records: Records
  /// How many notification IDs belong to a section.
  public let sectionSize: Int
  private let lifetime: Lifetime?

  /// Makes a log over a record manager.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the size is less than 1.
  public init(_ records: Records, sectionSize: Int = defaultSectionSize) throws {
    try self.init(records, sectionSize: sectionSize, lifetime: nil)
  }

  /// Makes the log of an application, which refuses once that is closed.
  init(_ records: Records, sectionSize: Int, lifetime: Lifetime?) throws {
    guard sectionSize > 0 else {
      throw EventSourcingError(.programming, "A section has at least one notification ID, not \(sectionSize).")
    }
    self.records = records
    self.sectionSize = sectionSize
    self.lifetime = lifetime
  }

  /// The highest ID that was given.
  public func head() async throws -> Int {
    try lifetime?.requireOpen()
    return try await records.maxNotificationID()
  }

  /// The notifications with IDs from `start + 1` through `stop`.
  public func items(start: Int, stop: Int) async throws -> [EventNotification] {
    try lifetime?.requireOpen()
    return try await records.notifications(start: start, stop: stop)
  }
}

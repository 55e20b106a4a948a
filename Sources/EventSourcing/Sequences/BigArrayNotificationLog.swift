/// An item of a big array as a notification: its ID is its index plus one.
public struct BigArrayNotification<Item: Sendable>: Identifiable, Sendable {
  /// The notification ID, from 1.
  public let id: Int
  /// What was appended.
  public let item: Item
}

extension BigArrayNotification: Equatable where Item: Equatable {}

/// A notification log whose items stand in a big array.
public struct BigArrayNotificationLog<Content: Codable & Sendable, Records: RecordManager>: LocalNotificationLog {
  /// What stands in the log.
  public typealias Item = BigArrayNotification<Content>
  /// Where the items are.
  public let bigArray: BigArray<Content, Records>
  /// How many notification IDs belong to a section.
  public let sectionSize: Int

  /// Makes a log over a big array.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if the size of a section is less than 1 or does not divide that of the
  ///   arrays: a section is read from one of them.
  public init(_ bigArray: BigArray<Content, Records>, sectionSize: Int = defaultSectionSize) throws {
    guard sectionSize > 0, bigArray.size % sectionSize == 0 else {
      throw EventSourcingError(
        .programming, "The size of a section is \(sectionSize); it must divide that of the arrays, \(bigArray.size).")
    }
    self.bigArray = bigArray
    self.sectionSize = sectionSize
  }

  /// The highest ID that was given. A read for each level of the array.
  public func head() async throws -> Int { try await bigArray.nextIndex() }

  /// The items with IDs from `start + 1` through `stop`.
  public func items(start: Int, stop: Int) async throws -> [Item] {
    let first = max(start, 0)
    guard first < stop else { return [] }
    return try await bigArray.items(in: first..<stop).enumerated().compactMap { offset, item in
      item.map { BigArrayNotification(id: first + offset + 1, item: $0) }
    }
  }
}

/// A page of a notification log, with links to the pages before and after it.
///
/// Its ID is `"<first>,<last>"`, from the first notification ID that belongs to it to the last. A full section never
/// changes, so it may be kept for ever; one that is not full may grow. An ID whose record was deleted, or that was given
/// to nothing, is a hole: its section has fewer items and is full all the same.
public struct Section<Item: Sendable>: Sendable {
  /// The first and the last notification ID, like `"1,20"`.
  public var id: String
  /// The notifications, by ascending ID.
  public var items: [Item]
  /// The ID of the section before; nil in the first.
  public var previousID: String?
  /// The ID of the section after; nil while this one is not full.
  public var nextID: String?

  /// Makes a section.
  public init(id: String, items: [Item], previousID: String?, nextID: String?) {
    self.id = id
    self.items = items
    self.previousID = previousID
    self.nextID = nextID
  }
}

extension Section: Equatable where Item: Equatable {}
extension Section: Hashable where Item: Hashable {}

/// Where a section starts, and its name: arithmetic on notification IDs, which count from 1.
struct SectionRange: Hashable {
  /// The ID before the first one in the section: a multiple of the section's size.
  let start: Int
  let size: Int

  /// The section that holds the ID behind `position`; of IDs that are too high for a whole section, the last one.
  init(after position: Int, size: Int) {
    start = min(position, .max - size) / size * size
    self.size = size
  }

  /// The section that an ID names: only its first number counts, and is taken down to the start of a section.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if it is not two numbers with a comma between them, or starts below 1.
  init(id: String, size: Int) throws {
    let parts = id.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count == 2, let first = Int(parts[0]), first >= 1 else {
      throw EventSourcingError(
        .programming,
        "A section's ID is “current” or like “1,\(size)”: two notification IDs from 1, with a comma between.")
    }
    self.init(after: first - 1, size: size)
  }

  /// The last ID in the section.
  var end: Int { start + size }

  var id: String { "\(start + 1),\(end)" }

  var previousID: String? { start == 0 ? nil : "\(start - size + 1),\(start)" }

  var nextID: String { "\(end + 1),\(end + size)" }
}

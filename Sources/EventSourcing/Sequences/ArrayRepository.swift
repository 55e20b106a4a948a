#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// Gives the arrays of an application. An array need not be made: it is there, and empty.
///
/// Items are kept under the application's name with `#items` behind it, have no notification IDs, and are sealed as events are.
///
/// ```swift
/// let arrays = try await bank.arrays(of: String.self)
/// try await arrays[id].append("first")
/// try await arrays.bigArray(other).append("first")
/// ```
public struct ArrayRepository<Item: Codable & Sendable, Records: RecordManager>: Sendable {
  /// The size of each array.
  public let size: Int
  private let store: ItemStore<Records>

  /// Makes a repository over the store of an application.
  ///
  /// - Parameters:
  ///   - application: Whose arrays they are; they are sealed as its events are, and refuse once it is closed.
  ///   - factory: The application's own.
  ///   - size: The size of each array; 10,000 unless given. It must stay what it was.
  /// - Throws: ``EventSourcingError/Code/programming`` if the size is less than 1; what the factory throws.
  public init<App: Application>(of application: App, factory: App.Factory, size: Int = 10_000) async throws
  where App.Factory.Records == Records {
    guard size > 0 else {
      throw EventSourcingError(.programming, "An array has room for at least one item, not \(size).")
    }
    self.size = size
    store = try await ItemStore(of: application, factory: factory)
  }

  /// The array with an ID.
  public subscript(id: UUID) -> EventSourcedArray<Item, Records> {
    EventSourcedArray(id: id, size: size, store: store)
  }

  /// The big array with an ID, made of arrays of this size.
  public func bigArray(_ id: UUID) -> BigArray<Item, Records> { BigArray(id: id, size: size, store: store) }
}

extension SimpleApplication {
  /// The application's arrays of items of a type.
  ///
  /// - Throws: As ``ArrayRepository/init(of:factory:size:)``.
  public func arrays<Item>(of type: Item.Type, size: Int = 10_000) async throws -> ArrayRepository<
    Item, Factory.Records
  > {
    try await ArrayRepository(of: self, factory: factory, size: size)
  }
}

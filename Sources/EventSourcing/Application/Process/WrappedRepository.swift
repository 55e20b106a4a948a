#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// What a policy sees of its application: aggregates by ID and documents by key, as of the event that it is called for.
///
/// What is changed in aggregates that were loaded or added here is found and saved after the call. One aggregate is one
/// root, however often it is asked for. Not `Sendable`: belongs to the call that it is given to.
public final class WrappedRepository {
  /// The application's documents, with the changes made by this call.
  public let documents: DocumentView

  private let loader: any AggregateLoading
  private var loaded: [UUID: AnyAggregateRoot] = [:]
  /// Loaded and added aggregates, each once, in the order in which they came.
  private(set) var aggregates: [AnyAggregateRoot] = []
  /// The aggregates that were loaded, each with the version that it had.
  private(set) var dependencies: [(id: UUID, version: Int)] = []

  init(_ loader: any AggregateLoading, documents: DocumentView) {
    self.loader = loader
    self.documents = documents
  }

  /// The aggregate with an ID.
  ///
  /// - Throws: ``EventSourcingError/Code/aggregateNotFound`` if there is none, or it is discarded; what
  ///   ``Repository/get(_:_:at:)`` throws.
  public func get<State: Aggregate>(_ type: State.Type, _ id: UUID) async throws -> AggregateRoot<State> {
    guard let root = try await find(type, id) else {
      throw EventSourcingError(
        .aggregateNotFound, "There is no such aggregate of the type \(State.self), or it was discarded.",
        originatorID: id)
    }
    return root
  }

  /// The aggregate with an ID; nil if there is none, or it is discarded.
  public func find<State: Aggregate>(_ type: State.Type, _ id: UUID) async throws -> AggregateRoot<State>? {
    if let known = loaded[id] {
      guard let root = known as? AggregateRoot<State> else {
        throw EventSourcingError(.programming, "The aggregate is not of the type \(State.self).", originatorID: id)
      }
      return root.isDiscarded ? nil : root
    }
    guard let root = try await loader.find(type, id, at: nil) else { return nil }
    dependencies.append((id, root.version))
    keep(root)
    return root
  }

  /// Whether there is an aggregate with an ID: one that is stored, or was added.
  public func contains<State: Aggregate>(_ type: State.Type, _ id: UUID) async throws -> Bool {
    if let known = loaded[id] { return known is AggregateRoot<State> && !known.isDiscarded }
    return try await loader.contains(type, id)
  }

  /// Adds a new aggregate, to be saved after the call.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if another one with its ID was loaded or added.
  public func add(_ aggregate: AnyAggregateRoot) throws {
    if let known = loaded[aggregate.id] {
      guard known === aggregate else {
        throw EventSourcingError(
          .programming, "An aggregate with this ID was loaded or added already.", originatorID: aggregate.id)
      }
      return
    }
    keep(aggregate)
  }

  private func keep(_ root: AnyAggregateRoot) {
    loaded[root.id] = root
    aggregates.append(root)
  }
}

extension WrappedRepository {
  /// The document of a key, as it was stored or changed by this call; nil if there is none.
  ///
  /// - Throws: ``EventSourcingError/Code/decoding`` if it is of another type.
  public func document<Value: Decodable>(_ key: String, as type: Value.Type) async throws -> Value? {
    try await documents.document(key, as: type)
  }

  /// Puts a document, in the same atomic write as the events.
  ///
  /// - Throws: ``EventSourcingError/Code/encoding`` if the value has no form.
  public func save(_ value: some Encodable, for key: String) throws { try documents.put(value, for: key) }

  /// Deletes a document, in the same atomic write as the events.
  public func delete(_ key: String) { documents.delete(key) }
}

/// A repository, whatever its store.
protocol AggregateLoading: Sendable {
  func find<State: Aggregate>(_ type: State.Type, _ id: UUID, at version: Int?) async throws -> AggregateRoot<State>?
  func contains<State: Aggregate>(_ type: State.Type, _ id: UUID) async throws -> Bool
}

extension Repository: AggregateLoading {}

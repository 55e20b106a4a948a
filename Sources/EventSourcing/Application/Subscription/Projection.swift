/// Makes a view of an application's events: reads them in their order and keeps what it makes of them as documents.
///
/// ```swift
/// struct Balances: Projection {
///   let name = "balances"
///   func process(_ notification: SubscribedEvent, _ view: ProjectionView) async throws {
///     guard let deposited = notification.event.payload as? BankAccount.Deposited else { return }
///     let key = "balance/\(notification.event.originatorID)"
///     let balance = try await view.document(key, as: Decimal.self) ?? 0
///     try view.put(balance + deposited.amount, for: key)
///   }
/// }
/// ```
public protocol Projection: Sendable {
  /// The name that the view is kept under: documents and position belong to it.
  var name: String { get }

  /// Which events are processed; all unless given. The position passes over the others.
  var topics: Set<String>? { get }

  /// Takes over one event. What it changes in the view is stored together with the event's position: once, whatever happens.
  func process(_ notification: SubscribedEvent, _ view: ProjectionView) async throws
}

extension Projection {
  /// All.
  public var topics: Set<String>? { nil }
}

/// The documents of a projection, as of the event that is processed: reads see what was stored, and what was changed since.
///
/// Values are kept in the JSON form that events have. Belongs to the call that it is given to.
public final class ProjectionView {
  private let read: (String) async throws -> [UInt8]?
  private var changes: [String: [UInt8]?] = [:]
  private var order: [String] = []

  init(read: @escaping (String) async throws -> [UInt8]?) { self.read = read }

  /// The document of a key; nil if there is none.
  ///
  /// - Throws: ``EventSourcingError/Code/decoding`` if it is of another type.
  public func document<Value: Decodable>(_ key: String, as type: Value.Type) async throws -> Value? {
    let content: [UInt8]? = if let changed = changes[key] { changed } else { try await read(key) }
    return try content.map { try TranscodingDecoder().decode(type, from: $0) }
  }

  /// Puts a document.
  ///
  /// - Throws: ``EventSourcingError/Code/encoding`` if the value has no form.
  public func put(_ value: some Encodable, for key: String) throws {
    change(key, try TranscodingEncoder().encode(value))
  }

  /// Deletes a document.
  public func delete(_ key: String) { change(key, nil) }

  private func change(_ key: String, _ content: [UInt8]?) {
    if changes.updateValue(content, forKey: key) == nil { order.append(key) }
  }

  /// What was changed, in the order of the first change of each key.
  var pending: [DocumentChange] { order.map { DocumentChange(key: $0, content: changes[$0] ?? nil) } }
}

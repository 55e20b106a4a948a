/// Makes a view of an application's events: reads them in their order and keeps what it makes of them as documents.
///
/// ```swift
/// struct Balances: Projection {
///   let name = "balances"
///   func process(_ notification: SubscribedEvent, _ view: DocumentView) async throws {
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
  func process(_ notification: SubscribedEvent, _ view: DocumentView) async throws
}

extension Projection {
  /// All.
  public var topics: Set<String>? { nil }
}

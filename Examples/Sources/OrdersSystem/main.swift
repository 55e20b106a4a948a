// Orders that are reserved and paid by two other applications, each reacting to the others' events, each event processed
// exactly once.
//
//     swift run --package-path Examples OrdersSystem

import Closeroll
import Foundation

struct Order: Aggregate {
  var isReserved = false
  var isPaid = false

  struct Created: CreatedEvent {
    static let topic = "Order.Created"
    func create() -> Order { Order() }
  }
  struct Reserved: MutatingEvent {
    static let topic = "Order.Reserved"
    func mutate(_ order: inout Order) { order.isReserved = true }
  }
  struct Paid: MutatingEvent {
    static let topic = "Order.Paid"
    func mutate(_ order: inout Order) { order.isPaid = true }
  }
  static let events: [any AggregateEvent<Order>.Type] = [Created.self, Reserved.self, Paid.self]
}

struct Reservation: Aggregate {
  var orderID: UUID

  struct Created: CreatedEvent {
    static let topic = "Reservation.Created"
    var orderID: UUID
    func create() -> Reservation { Reservation(orderID: orderID) }
  }
  static let events: [any AggregateEvent<Reservation>.Type] = [Created.self]
}

struct Payment: Aggregate {
  var orderID: UUID

  struct Created: CreatedEvent {
    static let topic = "Payment.Created"
    var orderID: UUID
    func create() -> Payment { Payment(orderID: orderID) }
  }
  static let events: [any AggregateEvent<Payment>.Type] = [Created.self]
}

// Three applications. A policy says what an application does about somebody's event.

struct Orders: ProcessDefinition {
  static let name = "orders"
  static let aggregates: [any Aggregate.Type] = [Order.self]

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    switch event.payload {
    case let reservation as Reservation.Created:
      try await repository.get(Order.self, reservation.orderID).trigger(Order.Reserved())
    case let payment as Payment.Created:
      try await repository.get(Order.self, payment.orderID).trigger(Order.Paid())
    default: break
    }
  }
}

extension ProcessApplication where Policy == Orders {
  func createOrder() async throws -> UUID {
    let order = try AggregateRoot.create(Order.Created())
    try await save(order)
    return order.id
  }
}

struct Reservations: ProcessDefinition {
  static let name = "reservations"
  static let aggregates: [any Aggregate.Type] = [Reservation.self]

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    guard event.payload is Order.Created else { return }
    try repository.add(AggregateRoot.create(Reservation.Created(orderID: event.originatorID)))
  }
}

struct Payments: ProcessDefinition {
  static let name = "payments"
  static let aggregates: [any Aggregate.Type] = [Payment.self]

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    guard event.payload is Order.Reserved else { return }
    try repository.add(AggregateRoot.create(Payment.Created(orderID: event.originatorID)))
  }
}

// Who follows whom.
let system = try System {
  Orders.self | Reservations.self | Orders.self
  Orders.self | Payments.self | Orders.self
}

// Synchronously, in memory: when the command returns, all that follows from it is done.
let synchronous = try await SingleThreadedRunner(system)
let first = try synchronous.application(Orders.self)
let order = try await first.repository.get(Order.self, first.createOrder())
print("One order: reserved \(order.isReserved), paid \(order.isPaid)")
try await synchronous.close()

// Concurrently, over one sealed store that the three share.
let directory = FileManager.default.temporaryDirectory.appendingPathComponent("orders-\(UUID().uuidString)")
let key = try SecureBytes.random(count: 32)
let factory = try SegmentInfrastructureFactory(directory: directory.path, key: .closure { key })
let runner = try await ConcurrentRunner(system, sharing: factory)
let orders = try runner.application(Orders.self)
let ids = try await runner.run {
  var ids: [UUID] = []
  for _ in 0..<200 { ids.append(try await orders.createOrder()) }
  try await runner.waitUntilProcessed()
  return ids
}
var paid = 0
for id in ids where try await orders.repository.get(Order.self, id).isPaid { paid += 1 }
print("\(ids.count) orders: \(paid) paid; \(try await orders.records.maxNotificationID()) events of orders")
try await runner.close()
try FileManager.default.removeItem(at: directory)

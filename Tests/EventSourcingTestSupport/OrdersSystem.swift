#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif
public import EventSourcing

/// An order, which is reserved and then paid.
public struct Order: Aggregate, Equatable {
  public var reservationID: UUID?
  public var paymentID: UUID?
  public var isReserved: Bool { reservationID != nil }
  public var isPaid: Bool { paymentID != nil }

  public struct Created: CreatedEvent {
    public static let topic = "Order.Created"
    public init() {}
    public func create() -> Order { Order() }
  }

  public struct Reserved: MutatingEvent {
    public static let topic = "Order.Reserved"
    public var reservationID: UUID
    public func mutate(_ order: inout Order) throws {
      guard !order.isReserved else { throw TwiceError() }
      order.reservationID = reservationID
    }
  }

  public struct Paid: MutatingEvent {
    public static let topic = "Order.Paid"
    public var paymentID: UUID
    public func mutate(_ order: inout Order) throws {
      guard !order.isPaid else { throw TwiceError() }
      order.paymentID = paymentID
    }
  }

  public static let events: [any AggregateEvent<Order>.Type] = [Created.self, Reserved.self, Paid.self]
}

/// Something happened to an order that had happened to it.
public struct TwiceError: Error {}

/// A reservation for an order.
public struct Reservation: Aggregate, Equatable {
  public var orderID: UUID

  public struct Created: CreatedEvent {
    public static let topic = "Reservation.Created"
    public var orderID: UUID
    public func create() -> Reservation { Reservation(orderID: orderID) }
  }

  public static let events: [any AggregateEvent<Reservation>.Type] = [Created.self]
}

/// A payment for an order.
public struct Payment: Aggregate, Equatable {
  public var orderID: UUID

  public struct Created: CreatedEvent {
    public static let topic = "Payment.Created"
    public var orderID: UUID
    public func create() -> Payment { Payment(orderID: orderID) }
  }

  public static let events: [any AggregateEvent<Payment>.Type] = [Created.self]
}

/// Takes orders, and notes what became of them.
public struct Orders: ProcessDefinition {
  public static let name = "orders"
  public static let aggregates: [any Aggregate.Type] = [Order.self]

  public init() {}

  public func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    switch event.payload {
    case let reservation as Reservation.Created:
      let order = try await repository.get(Order.self, reservation.orderID)
      try order.trigger(Order.Reserved(reservationID: event.originatorID))
    case let payment as Payment.Created:
      let order = try await repository.get(Order.self, payment.orderID)
      try order.trigger(Order.Paid(paymentID: event.originatorID))
    default: break
    }
  }
}

extension ProcessApplication where Policy == Orders {
  /// Takes an order.
  public func createOrder(id: UUID = UUID()) async throws -> UUID {
    let order = try AggregateRoot.create(Order.Created(), id: id)
    try await save(order)
    return order.id
  }
}

/// Reserves what is ordered. The reservation's ID follows from the order's: a second one would conflict.
public struct Reservations: ProcessDefinition {
  public static let name = "reservations"
  public static let aggregates: [any Aggregate.Type] = [Reservation.self]

  public init() {}

  public func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    guard event.payload is Order.Created else { return }
    try repository.add(
      AggregateRoot.create(
        Reservation.Created(orderID: event.originatorID),
        id: UUID(name: event.originatorID.uuidString.lowercased(), in: .oidNamespace)))
  }
}

/// Pays what is reserved.
public struct Payments: ProcessDefinition {
  public static let name = "payments"
  public static let aggregates: [any Aggregate.Type] = [Payment.self]

  public init() {}

  public func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    guard event.payload is Order.Reserved else { return }
    try repository.add(
      AggregateRoot.create(
        Payment.Created(orderID: event.originatorID), id: UUID(name: "payment \(event.originatorID)", in: .oidNamespace)
      ))
  }
}

/// Orders, reservations and payments.
public func ordersSystem() throws -> System {
  try System {
    Orders.self | Reservations.self | Orders.self
    Orders.self | Payments.self | Orders.self
  }
}

/// The ID of an order that a number stands for.
public func orderID(_ number: Int) -> UUID {
  var bytes: uuid_t = (0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0)
  (bytes.14, bytes.15) = (UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number))
  return UUID(uuid: bytes)
}

import Closeroll
import EventSourcingTestSupport
import Foundation

/// One process of the orders system, for a test that runs all three and kills them: `OrdersProcess <name> <directory> <count>`.
/// The process of the orders takes so many orders, of those that were not taken before it was killed.
@main struct OrdersProcess {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4, let count = Int(arguments[3]) else {
      FileHandle.standardError.write(Data("usage: OrdersProcess <name> <directory> <count>\n".utf8))
      exit(2)
    }
    let system = try ordersSystem()
    let stores = Dictionary(
      uniqueKeysWithValues: system.names.map {
        ($0, StoreLocation(directory: "\(arguments[2])/\($0)", key: .environment("ORDERS_KEY")))
      })
    switch arguments[1] {
    case Orders.name:
      let runner = try await MultiprocessRunner(Orders.self, of: system, stores: stores)
      async let running: Void = runner.run()
      let orders = try runner.application()
      for number in 0..<count where try await !orders.repository.contains(Order.self, orderID(number)) {
        _ = try await orders.createOrder(id: orderID(number))
      }
      try await running
    case Reservations.name:
      try await MultiprocessRunner(Reservations.self, of: system, stores: stores).run()
    case Payments.name:
      try await MultiprocessRunner(Payments.self, of: system, stores: stores).run()
    default: exit(2)
    }
  }
}

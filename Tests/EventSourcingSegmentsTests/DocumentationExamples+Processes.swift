// The code of the articles on notifications, process applications and systems; see `DocumentationExamples.swift`.

import Closeroll
import EventSourcingTestSupport
import FoundationEssentials

/// Notifications.
func readSections(_ bank: some Application, after position: Int) async throws -> [String] {
  var topics: [String] = []
  let reader = NotificationLogReader(bank.notificationLog)
  try reader.seek(position)
  for try await notification in reader.notifications(advancingBy: 100) { topics.append(notification.event.topic) }
  return topics
}

func sumUp(_ bank: some Application, after position: Int, through last: Int) async throws -> Decimal {
  var sum: Decimal = 0
  for try await notification in bank.subscribe(after: position, topics: ["Account.Deposited"]) {
    if let deposited = notification.event.payload as? Account.Deposited { sum += deposited.amount }
    if notification.notificationID >= last { break }
  }
  return sum
}

struct Totals: Projection {
  let name = "totals"

  func process(_ notification: SubscribedEvent, _ view: DocumentView) async throws {
    guard let deposited = notification.event.payload as? Account.Deposited else { return }
    let total = try await view.document("total", as: Decimal.self) ?? 0
    try view.put(total + deposited.amount, for: "total")
  }
}

func project(_ bank: PopoApplication) async throws -> Decimal? {
  let account = try openAccount()
  let totals = try await ProjectionRunner(Totals(), of: bank, into: bank.factory)
  let running = Task { try await totals.run() }
  let ids = try await bank.save(account)
  try await totals.wait(for: ids.last.flatMap { $0 } ?? 0, timeout: .seconds(10))
  let total = try await totals.document("total", as: Decimal.self)
  running.cancel()
  try await running.value
  return total
}

/// ProcessApplications.
struct Letter: Aggregate {
  var text: String

  struct Written: CreatedEvent {
    static let topic = "Letter.Written"
    var text: String
    func create() -> Letter { Letter(text: text) }
  }
  static let events: [any AggregateEvent<Letter>.Type] = [Written.self]
}

struct Greeter: ProcessDefinition {
  static let name = "greeter"
  static let aggregates: [any Aggregate.Type] = [Letter.self]

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    guard let opened = event.payload as? Account.Opened else { return }
    try repository.add(AggregateRoot.create(Letter.Written(text: "Welcome, \(opened.owner)")))
    let count = try await repository.document("letters", as: Int.self) ?? 0
    try repository.save(count + 1, for: "letters")
  }
}

func greet(_ bank: PopoApplication) async throws -> Int {
  let greeter = try await ProcessApplication(Greeter.self, factory: bank.factory)
  try greeter.follow(bank)
  let processed = try await greeter.run()
  let subscription = bank.subscribeToPrompts { prompt in
    if let prompt = prompt as? PromptToPull { try await greeter.run(prompt) }
  }
  try await bank.save(openAccount())
  subscription.cancel()
  return try await processed + greeter.records.maxNotificationID()
}

struct SendLetter: Command {
  var text: String
  var isDone = false
  static let doneTopic = "SendLetter.Done"

  struct Created: CreatedEvent {
    static let topic = "SendLetter.Created"
    var text: String
    func create() -> SendLetter { SendLetter(text: text) }
  }
  static let events: [any AggregateEvent<SendLetter>.Type] = [Created.self, CommandDone<SendLetter>.self]
}

struct Commands: CommandProcess {
  static let name = "commands"
  static let commands: [any Command.Type] = [SendLetter.self]
}

/// Systems.
func runOrders(_ factory: PopoInfrastructureFactory) async throws -> (Bool, Int) {
  let system = try System {
    Orders.self | Reservations.self | Orders.self
    Orders.self | Payments.self | Orders.self
  }
  let runner = try await SingleThreadedRunner(system)
  let orders = try runner.application(Orders.self)
  let id = try await orders.createOrder()
  let isPaid = try await orders.repository.get(Order.self, id).isPaid
  try await runner.close()

  let concurrent = try await ConcurrentRunner(system, sharing: factory)
  let shop = try concurrent.application(Orders.self)
  try await concurrent.run {
    for _ in 0..<10 { _ = try await shop.createOrder() }
    try await concurrent.waitUntilProcessed()
  }
  return (isPaid, try await shop.records.maxNotificationID())
}

/// EventSourcingSegments.
func runReservations(in directory: String) async throws {
  let system = try ordersSystem()
  let stores = [
    "orders": StoreLocation(directory: "\(directory)/1", key: .environment("ORDERS_KEY")),
    "reservations": StoreLocation(directory: "\(directory)/2", key: .environment("RESERVATIONS_KEY")),
  ]
  let reservations = try await MultiprocessRunner(Reservations.self, of: system, stores: stores)
  try await reservations.run()
  try await reservations.close()
}

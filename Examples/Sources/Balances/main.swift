// A view of all accounts, kept up to date behind the application that has them: what it makes of an event and how far it
// came are stored together, so that it is neither late nor double after a crash.
//
//     swift run --package-path Examples Balances

import Closeroll
import Foundation

struct Account: Aggregate {
  var owner: String

  struct Opened: CreatedEvent {
    static let topic = "Account.Opened"
    var owner: String
    func create() -> Account { Account(owner: owner) }
  }
  struct Moved: MutatingEvent {
    static let topic = "Account.Moved"
    var amount: Int
    func mutate(_ account: inout Account) {}
  }
  static let events: [any AggregateEvent<Account>.Type] = [Opened.self, Moved.self]
}

struct Balances: Projection {
  let name = "balances"

  func process(_ notification: SubscribedEvent, _ view: DocumentView) async throws {
    let id = notification.event.originatorID
    switch notification.event.payload {
    case let opened as Account.Opened:
      try view.put(Balance(owner: opened.owner, amount: 0), for: "balance/\(id)")
    case let moved as Account.Moved:
      guard var balance = try await view.document("balance/\(id)", as: Balance.self) else { return }
      balance.amount += moved.amount
      try view.put(balance, for: "balance/\(id)")
    default: break
    }
  }
}

struct Balance: Codable {
  var owner: String
  var amount: Int
}

let directory = FileManager.default.temporaryDirectory.appendingPathComponent("balances-\(UUID().uuidString)")
let key = try SecureBytes.random(count: 32)
let bank = try await SegmentApplication(name: "bank", directory: directory.path, key: .closure { key })

// The view is kept in the same store here; it may have one of its own.
let balances = try await ProjectionRunner(Balances(), of: bank, into: bank.factory)
let running = Task { try await balances.run() }

var last = 0
for owner in ["Ada", "Blaise", "Charles"] {
  let account = try AggregateRoot.create(Account.Opened(owner: owner))
  for amount in 1...10 { try account.trigger(Account.Moved(amount: amount)) }
  last = try await bank.save(account).compactMap { $0 }.last ?? last
}

// Whoever wants to see what was just saved waits for it.
try await balances.wait(for: last, timeout: .seconds(10))
for (_, balance) in try await balances.documents(withPrefix: "balance/", as: Balance.self) {
  print("\(balance.owner): \(balance.amount)")
}

running.cancel()
try await running.value
try await bank.close()
try FileManager.default.removeItem(at: directory)

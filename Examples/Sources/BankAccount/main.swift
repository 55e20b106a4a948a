// A bank account: events, an aggregate made of them, and a sealed store that remembers both.
//
//     swift run --package-path Examples BankAccount

import Closeroll
import Foundation

/// The state of an account. Only its events change it.
struct BankAccount: Aggregate {
  var owner: String
  var balance: Decimal = 0

  struct Opened: CreatedEvent {
    static let topic = "BankAccount.Opened"  // what stands in the store, whatever the type is called
    var owner: String
    func create() -> BankAccount { BankAccount(owner: owner) }
  }

  struct Deposited: MutatingEvent {
    static let topic = "BankAccount.Deposited"
    var amount: Decimal
    func mutate(_ account: inout BankAccount) { account.balance += amount }
  }

  struct Withdrawn: MutatingEvent {
    static let topic = "BankAccount.Withdrawn"
    var amount: Decimal
    func mutate(_ account: inout BankAccount) { account.balance -= amount }
  }

  static let events: [any AggregateEvent<BankAccount>.Type] = [Opened.self, Deposited.self, Withdrawn.self]
}

/// What one may do with an account. A command checks, then lets an event happen.
extension AggregateRoot<BankAccount> {
  func deposit(_ amount: Decimal) throws { try trigger(BankAccount.Deposited(amount: amount)) }

  func withdraw(_ amount: Decimal) throws {
    guard state.balance >= amount else { throw BankError.insufficientFunds }
    try trigger(BankAccount.Withdrawn(amount: amount))
  }
}

enum BankError: Error { case insufficientFunds }

// A new store in a directory of its own, with a new key. A real application keeps the key apart from the store:
// `.file("…")` or `.environment("…")`, made by `closeroll keygen`.
let directory = FileManager.default.temporaryDirectory.appendingPathComponent("bank-\(UUID().uuidString)")
let key = try SecureBytes.random(count: 32)
let bank = try await SegmentApplication(
  ApplicationConfiguration(name: "bank", aggregates: [BankAccount.self]), directory: directory.path,
  key: .closure { key })

// Events are pending until they are saved. Saving is atomic and durable: when it returns, they are on the disk.
let account = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"))
try account.deposit(100)
try account.withdraw(30)
try await bank.save(account)

// An aggregate is loaded by replaying its events: as it is now, or as it was.
let now = try await bank.repository.get(BankAccount.self, account.id)
let then = try await bank.repository.get(BankAccount.self, account.id, at: 1)
print("\(now.owner) has \(now.balance), and had \(then.balance) after event 1")

// Two who change the same account: the second one is told, and tries again with what is there now.
let copy = try await bank.repository.get(BankAccount.self, account.id)
try now.withdraw(70)
try await bank.save(now)
do {
  try copy.withdraw(70)
  try await bank.save(copy)
} catch EventSourcingError.Code.recordConflict {
  let again = try await bank.repository.get(BankAccount.self, account.id)
  print("Somebody was faster: there is only \(again.balance) left")
}

// Everything that happened, in order.
for notification in try await bank.notificationLog.section("current").items {
  print("\(notification.id). \(notification.event.topic)")
}

try await bank.close()
try FileManager.default.removeItem(at: directory)

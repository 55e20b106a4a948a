import EventSourcing
import FoundationEssentials

struct BankAccount: Aggregate {
  var owner: String
  var balance: Decimal = 0

  struct Opened: CreatedEvent {
    static let topic = "BankAccount.Opened"
    var owner: String
    func create() -> BankAccount { BankAccount(owner: owner) }
  }
  struct Deposited: MutatingEvent {
    static let topic = "BankAccount.Deposited"
    var amount: Decimal
    func mutate(_ account: inout BankAccount) { account.balance += amount }
  }
  static let events: [any AggregateEvent<BankAccount>.Type] = [Opened.self, Deposited.self]
}

enum BankError: Error { case notPositive(Decimal) }

extension AggregateRoot<BankAccount> {
  func deposit(_ amount: Decimal) throws {
    guard amount > 0 else { throw BankError.notPositive(amount) }
    try trigger(BankAccount.Deposited(amount: amount))
  }
}

/// The hash-chained aggregate of the reference library's fixtures.
struct OracleAccount: Aggregate {
  var owner: String
  var balance: Decimal = 0
  var nickname: String?
  var transactions: [UUID] = []

  /// As the reference library names the attributes in snapshots.
  enum CodingKeys: String, CodingKey {
    case owner, balance, transactions
    case nickname = "_nickname"
  }

  static let topic: String? = "oracle_domain#Account"
  static let discardedTopic = "oracle_domain#Account.Discarded"
  static let isHashChained = true

  struct Created: CreatedEvent {
    static let topic = "oracle_domain#Account.Created"
    var owner: String
    func create() -> OracleAccount { OracleAccount(owner: owner) }
  }
  struct AttributeChanged: MutatingEvent {
    static let topic = "oracle_domain#Account.AttributeChanged"
    var name: String
    var value: String?
    func mutate(_ account: inout OracleAccount) { account.nickname = value }
  }
  struct Deposited: MutatingEvent {
    static let topic = "oracle_domain#Account.Deposited"
    var amount: Decimal
    var transaction_id: UUID
    var at: Date
    func mutate(_ account: inout OracleAccount) {
      account.balance += amount
      account.transactions.append(transaction_id)
    }
  }
  static let events: [any AggregateEvent<OracleAccount>.Type] = [
    Created.self, AttributeChanged.self, Deposited.self,
  ]
}

/// The aggregate of the reference library's fixtures that carries every kind of value.
struct OracleLedger: Aggregate {
  var entries: [String] = []
  var values: TranscodedValue = .null

  static let topic: String? = "oracle_domain#Ledger"
  static let discardedTopic = "oracle_domain#Ledger.Discarded"

  struct Created: CreatedEvent {
    static let topic = "oracle_domain#Ledger.Created"
    func create() -> OracleLedger { OracleLedger() }
  }
  struct Noted: MutatingEvent {
    static let topic = "oracle_domain#Ledger.Noted"
    var text: String
    func mutate(_ ledger: inout OracleLedger) { ledger.entries.append(text) }
  }
  struct Captured: MutatingEvent {
    static let topic = "oracle_domain#Ledger.Captured"
    var values: TranscodedValue
    func mutate(_ ledger: inout OracleLedger) { ledger.values = values }
  }
  static let events: [any AggregateEvent<OracleLedger>.Type] = [Created.self, Noted.self, Captured.self]
}

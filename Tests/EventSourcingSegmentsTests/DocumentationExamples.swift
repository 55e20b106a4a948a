// The code that the articles show, compiled here and run by `DocumentationTests`. Each block of an article stands in this
// file line by line, wherever it is indented to.

import Closeroll
import FoundationEssentials
import SegmentStorage

/// AggregatesAndEvents.
struct Account: Aggregate {
  var owner: String
  var balance: Decimal = 0

  struct Opened: CreatedEvent {
    static let topic = "Account.Opened"
    var owner: String
    func create() -> Account { Account(owner: owner) }
  }
  struct Deposited: MutatingEvent {
    static let topic = "Account.Deposited"
    var amount: Decimal
    func mutate(_ account: inout Account) { account.balance += amount }
  }
  static let events: [any AggregateEvent<Account>.Type] = [Opened.self, Deposited.self]
}

enum AccountError: Error { case notPositive(Decimal) }

extension AggregateRoot<Account> {
  func deposit(_ amount: Decimal) throws {
    guard amount > 0 else { throw AccountError.notPositive(amount) }
    try trigger(Account.Deposited(amount: amount))
  }
}

func openAccount() throws -> AggregateRoot<Account> {
  let account = try AggregateRoot.create(Account.Opened(owner: "Ada"))
  try account.deposit(100)
  print(account.id, account.version, account.balance, account.pendingEvents.count)
  return account
}

/// StoredForm.
struct Address: Aggregate {
  var lines: [String] = []

  struct Written: CreatedEvent {
    static let topic = "Address.Written"
    static let classVersion = 1
    var lines: [String]
    func create() -> Address { Address(lines: lines) }

    static func upcast(state: inout TranscodedObject, from version: Int) throws {
      // Version 0 had one line.
      state["lines"] = .list([state["line"] ?? ""])
      state["line"] = nil
    }
  }
  static let events: [any AggregateEvent<Address>.Type] = [Written.self]
}

/// Applications.
func deposit(_ amount: Decimal, to id: UUID, in bank: some Application) async throws {
  while true {
    let account = try await bank.repository.get(Account.self, id)
    try account.deposit(amount)
    do {
      try await bank.save(account)
      return
    } catch EventSourcingError.Code.recordConflict {
      continue  // somebody else was faster: once more, with what is there now
    }
  }
}

func follow(_ bank: some Application, after position: Int) async throws -> Int {
  var position = position
  for notification in try await bank.records.notifications(start: position, stop: position + 100) {
    let event = try bank.mapper.domainEvent(from: notification.event, topics: bank.topics)
    if let deposited = event.payload as? Account.Deposited { print(event.originatorID, deposited.amount) }
    position = notification.id
  }
  return position
}

/// EventSourcingSegments.
func share(_ directory: String) async throws {
  let store = try SegmentStore.open(directory, key: .environment())
  let bank = try await SegmentApplication(
    ApplicationConfiguration(name: "bank"), factory: SegmentInfrastructureFactory(sharing: store))
  let audit = try await SegmentApplication(
    ApplicationConfiguration(name: "audit"), factory: SegmentInfrastructureFactory(sharing: store))
  try await bank.save(openAccount())
  try await audit.close()
  try await bank.close()
  try store.close()
}

func makeStates(portable key: String, in directory: String) async throws {
  let configuration = ApplicationConfiguration(
    name: "bank", cipher: try AESCipher(base64Key: key), compressor: LZ4BlockCompressor())
  let bank = try await SegmentApplication(configuration, directory: directory, key: .environment())
  try await bank.save(openAccount())
  try await bank.close()
}

/// SegmentStorage.
func keep(_ directory: String, patient: OriginatorID, topic: [UInt8], state: [UInt8]) throws -> Int {
  try topic.withUnsafeBytes { topic in
    try state.withUnsafeBytes { state in
      let store = try SegmentStore.open(directory, key: .environment())
      let ward = try store.partition(application: "ward")
      let commit = store.makeCommit()
      try commit.add(to: ward, originator: patient, position: 0, topic: topic, state: state)
      let receipt = try store.append(commit)
      try store.readRecords(of: ward, originator: patient) { record in
        print(record.position, record.state.count)
        return true
      }
      try store.close()
      return receipt.ranges.count
    }
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing

/// The number of a proposal: higher rounds first, then the proposer's name.
struct Ballot: Codable, Hashable, Comparable, Sendable {
  var round: Int
  var node: String

  static func < (left: Ballot, right: Ballot) -> Bool { (left.round, left.node) < (right.round, right.node) }
}

/// A message of the protocol of L. Lamport, “Paxos Made Simple” (2001), phases 1a, 1b, 2a and 2b. Everybody hears all.
struct PaxosMessage: Codable, Sendable {
  enum Kind: String, Codable, Sendable { case prepare, promise, accept, accepted }

  var kind: Kind
  var sender: String
  var ballot: Ballot
  /// Of a promise: what was accepted before.
  var acceptedBallot: Ballot?
  var value: String?
}

/// What one node knows of one decision.
struct PaxosInstance: Aggregate {
  struct Vote: Codable, Sendable {
    var ballot: Ballot
    var value: String
    var voters: Set<String>
  }

  static let quorum = 2

  var node: String
  var highestRound = 0
  var promised: Ballot?
  var accepted: Vote?
  // As proposer.
  var proposal: Ballot?
  var proposedValue: String?
  var promises: [String: Vote?] = [:]
  var hasAskedToAccept = false
  // As learner.
  var votes: [Vote] = []
  var decision: String?

  struct Begun: CreatedEvent {
    static let topic = "Paxos.Begun"
    var node: String
    func create() -> PaxosInstance { PaxosInstance(node: node) }
  }

  struct Proposed: MutatingEvent {
    static let topic = "Paxos.Proposed"
    var ballot: Ballot
    var value: String
    func mutate(_ instance: inout PaxosInstance) {
      instance.proposal = ballot
      instance.proposedValue = value
      instance.promises = [:]
      instance.hasAskedToAccept = false
    }
  }

  /// The node says something, and hears it itself.
  struct Announced: MutatingEvent {
    static let topic = "Paxos.Announced"
    var message: PaxosMessage
    func mutate(_ instance: inout PaxosInstance) throws { try instance.hear(message) }
  }

  /// The node heard another.
  struct Heard: MutatingEvent {
    static let topic = "Paxos.Heard"
    var message: PaxosMessage
    func mutate(_ instance: inout PaxosInstance) throws { try instance.hear(message) }
  }

  static let events: [any AggregateEvent<PaxosInstance>.Type] = [
    Begun.self, Proposed.self, Announced.self, Heard.self,
  ]

  mutating func hear(_ message: PaxosMessage) throws {
    highestRound = max(highestRound, message.ballot.round)
    switch message.kind {
    case .prepare: break
    case .promise:
      if message.sender == node { promised = message.ballot }
      guard message.ballot == proposal else { return }
      let before = message.acceptedBallot.flatMap { ballot in
        message.value.map { Vote(ballot: ballot, value: $0, voters: []) }
      }
      promises.updateValue(before, forKey: message.sender)
    case .accept:
      if message.sender == node { hasAskedToAccept = true }
    case .accepted:
      guard let value = message.value else { return }
      if message.sender == node {
        promised = message.ballot
        accepted = Vote(ballot: message.ballot, value: value, voters: [])
      }
      let index = votes.firstIndex { $0.ballot == message.ballot }
      if let index {
        votes[index].voters.insert(message.sender)
      } else {
        votes.append(Vote(ballot: message.ballot, value: value, voters: [message.sender]))
      }
      guard let vote = votes.first(where: { $0.ballot == message.ballot }), vote.voters.count >= Self.quorum else {
        return
      }
      if let decision, decision != vote.value {
        throw ContractViolation(description: "Paxos decided for \(decision), then for \(vote.value)")
      }
      decision = vote.value
    }
  }

  /// What the node has to say to a message.
  func answer(to message: PaxosMessage) -> PaxosMessage? {
    switch message.kind {
    case .prepare:
      if let promised, promised >= message.ballot { return nil }
      return PaxosMessage(
        kind: .promise, sender: node, ballot: message.ballot, acceptedBallot: accepted?.ballot, value: accepted?.value)
    case .promise:
      guard message.ballot == proposal, !hasAskedToAccept, promises.count >= Self.quorum else { return nil }
      let before = promises.values.compactMap { $0 }.max { $0.ballot < $1.ballot }
      return PaxosMessage(kind: .accept, sender: node, ballot: message.ballot, value: before?.value ?? proposedValue)
    case .accept:
      if let promised, promised > message.ballot { return nil }
      return PaxosMessage(kind: .accepted, sender: node, ballot: message.ballot, value: message.value)
    case .accepted: return nil
    }
  }
}

extension AggregateRoot<PaxosInstance> {
  func propose(_ value: String) throws {
    let ballot = Ballot(round: state.highestRound + 1, node: state.node)
    try trigger(PaxosInstance.Proposed(ballot: ballot, value: value))
    try announce(PaxosMessage(kind: .prepare, sender: state.node, ballot: ballot))
  }

  func hear(_ message: PaxosMessage) throws {
    try trigger(PaxosInstance.Heard(message: message))
    if let answer = state.answer(to: message) { try announce(answer) }
  }

  private func announce(_ message: PaxosMessage) throws {
    try trigger(PaxosInstance.Announced(message: message))
    if let answer = state.answer(to: message) { try announce(answer) }
  }
}

/// One of the nodes, which all follow each other.
protocol PaxosNode: ProcessDefinition {}

extension PaxosNode {
  static var aggregates: [any Aggregate.Type] { [PaxosInstance.self] }

  func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
    guard let announced = event.payload as? PaxosInstance.Announced else { return }
    var instance = try await repository.find(PaxosInstance.self, event.originatorID)
    if instance == nil {
      let made = try AggregateRoot.create(PaxosInstance.Begun(node: Self.name), id: event.originatorID)
      try repository.add(made)
      instance = made
    }
    try instance?.hear(announced.message)
  }
}

extension ProcessApplication where Policy: PaxosNode {
  /// Proposes a value for a decision, whatever becomes of it.
  func propose(_ value: String, for id: UUID) async throws {
    try await RetryLimits().run {
      let known = try await repository.find(PaxosInstance.self, id)
      let instance = try known ?? AggregateRoot.create(PaxosInstance.Begun(node: Policy.name), id: id)
      try instance.propose(value)
      try await save(instance)
    }
  }

  func decision(_ id: UUID) async throws -> String? { try await repository.find(PaxosInstance.self, id)?.decision }
}

struct Athos: PaxosNode { static let name = "athos" }
struct Porthos: PaxosNode { static let name = "porthos" }
struct Aramis: PaxosNode { static let name = "aramis" }

extension SystemContract {
  private static func nodes() throws -> System {
    try System(Athos.self | Porthos.self | Aramis.self | Athos.self | Aramis.self | Porthos.self | Athos.self)
  }

  private static func checkAgreement(
    _ ids: [UUID], _ applications: SystemApplications<Factory>
  ) async throws {
    for id in ids {
      let athos = try await applications.application(Athos.self).decision(id)
      try require(
        athos?.hasPrefix("\(id)") ?? false, "Something that was proposed is decided, not \(athos ?? "nothing")")
      try requireEqual(try await applications.application(Porthos.self).decision(id), athos, "Porthos agrees")
      try requireEqual(try await applications.application(Aramis.self).decision(id), athos, "Aramis agrees")
    }
  }

  func paxos(_ open: Opener) async throws {
    let runner = try await SingleThreadedRunner(try Self.nodes(), sharing: try await open())
    let ids = (0..<5).map { _ in UUID() }
    for id in ids {
      try await runner.application(Athos.self).propose("\(id) one", for: id)
      try await runner.application(Porthos.self).propose("\(id) all", for: id)
    }
    try await Self.checkAgreement(ids, runner.applications)
    for id in ids {
      let decision = try await runner.application(Aramis.self).decision(id)
      try requireEqual(decision, "\(id) one", "What is decided stays decided")
    }
    try await runner.close()
  }

  func paxosConcurrently(_ open: Opener) async throws {
    let runner = try await ConcurrentRunner(try Self.nodes(), sharing: try await open())
    let ids = (0..<20).map { _ in UUID() }
    let (athos, porthos, aramis) = (
      try runner.application(Athos.self), try runner.application(Porthos.self), try runner.application(Aramis.self)
    )
    try await runner.run {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { for id in ids { try await athos.propose("\(id) one", for: id) } }
        group.addTask { for id in ids { try await porthos.propose("\(id) for", for: id) } }
        group.addTask { for id in ids.reversed() { try await aramis.propose("\(id) all", for: id) } }
        try await group.waitForAll()
      }
      try await runner.waitUntilProcessed()
    }
    try await Self.checkAgreement(ids, runner.applications)
    try await runner.close()
  }
}

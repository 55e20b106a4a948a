#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing

/// What time-bucketed logs hold to over every store. Each rule runs over a new, empty store.
public struct TimeBucketContract<Factory: InfrastructureFactory> {
  private let make: () async throws -> Factory

  /// A contract over the stores that `make` makes, each of them empty.
  public init(_ make: @escaping () async throws -> Factory) { self.make = make }

  private typealias Rule = (TimeBucketContract, SimpleApplication<Factory>) async throws -> Void

  private static var table: [String: Rule] {
    [
      "messages are read from either end": { try await $0.reading($1) },
      "messages of all bucket sizes are read across buckets": { try await $0.sizes($1) },
      "messages of one microsecond follow each other": { try await $0.crowding($1) },
      "a log is started once": { try await $0.starting($1) },
      "a log is closed with its application": { try await $0.closing($1) },
    ]
  }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    guard let rule = Self.table[name] else { throw ContractViolation(description: "There is no rule “\(name)”.") }
    let factory = try await make()
    do {
      try await rule(self, try await SimpleApplication(ApplicationConfiguration(name: "logs"), factory: factory))
    } catch {
      try? await factory.close()
      throw error
    }
    try await factory.close()
  }

  private typealias App = SimpleApplication<Factory>

  private func seconds(_ seconds: Double) -> Timestamp { Timestamp(microseconds: Int64(seconds * 1e6)) }

  private func reading(_ app: App) async throws {
    let logs = try await TimeBucketedLogRepository(of: app, factory: app.factory)
    let start = Timestamp.now
    let log = try await logs.start(UUID(), bucketSize: .second, at: start)
    try requireEqual(try await texts(logs.reader(log).messages()), [], "no message yet")
    var logged: [LoggedMessage] = []
    for number in 0..<12 { logged.append(try await logs.append("message \(number)", to: log.state)) }
    let all = logged.map(\.message)
    for pageSize in [1, 5, 12, 50] {
      let reader = logs.reader(log, pageSize: pageSize)
      try requireEqual(try await texts(reader.messages()), all.reversed(), "newest first, page \(pageSize)")
      try requireEqual(try await texts(reader.messages(ascending: true)), all, "oldest first, page \(pageSize)")
      try requireEqual(try await texts(reader.messages(limit: 5)), all.suffix(5).reversed(), "the last 5")
      try requireEqual(try await texts(reader.messages(limit: 5, ascending: true)), Array(all.prefix(5)), "the first 5")
      try requireEqual(try await texts(reader.messages(limit: 0)), [], "none")
      let (from, to) = (logged[3].timestamp, logged[8].timestamp)
      try requireEqual(
        try await texts(reader.messages(gt: from, lt: to, ascending: true)), Array(all[4..<8]), "gt, lt")
      try requireEqual(
        try await texts(reader.messages(gte: from, lte: to, ascending: true)), Array(all[3...8]), "gte, lte")
      try requireEqual(
        try await texts(reader.messages(gte: from, lt: to)), all[3..<8].reversed(), "gte, lt, newest first")
      try requireEqual(
        try await texts(reader.messages(gt: from, lte: to, limit: 2)), [all[8], all[7]], "gt, lte, the last 2")
      try requireEqual(try await texts(reader.messages(gt: to, lt: from)), [], "an empty range")
      try requireEqual(try await texts(reader.messages(gt: logged[11].timestamp)), [], "behind the last one")
    }
    // On from where one stopped.
    var position: Timestamp?
    for try await message in logs.reader(log).messages(limit: 4, ascending: true) { position = message.timestamp }
    try requireEqual(
      try await texts(logs.reader(log).messages(gt: position, ascending: true)), Array(all[4...]), "the rest")
  }

  private func sizes(_ app: App) async throws {
    let logs = try await TimeBucketedLogRepository(of: app, factory: app.factory)
    let steps: [(TimeBucketSize, Double)] = [
      (.year, 200 * 86400), (.month, 20 * 86400), (.day, 40_000), (.hour, 2000), (.minute, 50), (.second, 0.7),
    ]
    for (size, step) in steps {
      let start = 1_577_836_799.5  // half a second before 2020
      let log = try await logs.start(UUID(), bucketSize: size, at: seconds(start))
      var buckets: Set<UUID> = []
      for number in 0..<7 {
        let message = try await logs.append(
          "\(number)", to: log.state, at: seconds(start + Double(number) * step))
        buckets.insert(message.bucketID)
      }
      try require(buckets.count > 3, "messages are in several buckets of a \(size)")
      let upper = seconds(start + 7 * step)
      let reader = logs.reader(log, pageSize: 2)
      try requireEqual(
        try await texts(reader.messages(lt: upper, ascending: true)), (0..<7).map { "\($0)" }, "upwards, \(size)")
      try requireEqual(
        try await texts(reader.messages(lt: upper)), (0..<7).reversed().map { "\($0)" }, "downwards, \(size)")
      try requireEqual(
        try await texts(reader.messages(gt: seconds(start + 1.5 * step), lt: seconds(start + 4.5 * step))),
        ["4", "3", "2"], "the middle, \(size)")
    }
  }

  private func crowding(_ app: App) async throws {
    let logs = try await TimeBucketedLogRepository(of: app, factory: app.factory)
    let log = try await logs.start(UUID(), at: seconds(1_600_000_000))
    let state = log.state
    let times = try await withThrowingTaskGroup(of: Int64.self) { group in
      for number in 0..<16 {
        group.addTask {
          try await logs.append("\(number)", to: state, at: Timestamp(microseconds: 1_600_000_000_500_000))
            .timestamp.microseconds
        }
      }
      var times: [Int64] = []
      for try await time in group { times.append(time) }
      return times.sorted()
    }
    try requireEqual(times, (0..<16).map { 1_600_000_000_500_000 + $0 }, "each has a microsecond of its own")
    let messages = try await texts(logs.reader(log).messages(lt: seconds(1_600_000_001)))
    try requireEqual(messages.sorted(), (0..<16).map { "\($0)" }.sorted(), "all are there")
  }

  private func starting(_ app: App) async throws {
    let logs = try await TimeBucketedLogRepository(of: app, factory: app.factory)
    let name = UUID()
    let log = try await logs.getOrCreate(name, bucketSize: .day)
    try requireEqual(log.id, name, "its ID")
    try requireEqual(log.bucketSize, .day, "its size")
    let again = try await logs.getOrCreate(name, bucketSize: .hour)
    try requireEqual(again.bucketSize, .day, "the size stays")
    try await requireError(.recordConflict, "a log is started once") { _ = try await logs.start(name) }
    try requireEqual(try await logs.start(UUID()).bucketSize, .year, "the size unless given")
    let event = try await app.eventStore.event(of: name, at: 0)
    try requireEqual(event.topic, "eventsourcing.domain.model.timebucketedlog#Timebucketedlog.Started", "its topic")
    let other = UUID()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { _ = try await logs.getOrCreate(other) } }
      try await group.waitForAll()
    }
    try requireEqual(try await app.eventStore.events(of: other).count, 1, "many tasks start it once")
  }

  private func closing(_ app: App) async throws {
    let logs = try await TimeBucketedLogRepository(of: app, factory: app.factory)
    let log = try await logs.getOrCreate(UUID())
    try await app.close()
    try await requireError(.programming, "append after close") { try await logs.append("late", to: log.state) }
    try await requireError(.programming, "read after close") { _ = try await texts(logs.reader(log).messages()) }
    try await requireError(.programming, "start after close") { _ = try await logs.start(UUID()) }
  }

  private func texts(_ messages: TimeBucketedLogReader<Factory.Records>.Messages) async throws -> [String] {
    var texts: [String] = []
    for try await message in messages { texts.append(message.message) }
    return texts
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import EventSourcing

/// What arrays, big arrays and logs over them hold to over every store. Each rule runs over a new, empty store.
public struct SequenceContract<Factory: InfrastructureFactory> {
  private let make: () async throws -> Factory

  /// A contract over the stores that `make` makes, each of them empty.
  public init(_ make: @escaping () async throws -> Factory) { self.make = make }

  private typealias Rule = (SequenceContract, SimpleApplication<Factory>) async throws -> Void

  private static var table: [String: Rule] {
    [
      "an array's items are assigned once": { try await $0.array($1) },
      "slices have holes and end at the size": { try await $0.slices($1) },
      "many tasks append to one array": { try await $0.appending($1) },
      "a big array is what an array in memory is": { try await $0.bigArray($1, size: 3) },
      "a big array of pairs is full with four items": { try await $0.bigArray($1, size: 2) },
      "a big array of one has room for one": { try await $0.bigArray($1, size: 1) },
      "a big array is filled in any order": { try await $0.anyOrder($1) },
      "many tasks append to one big array": { try await $0.appendingToBigArray($1) },
      "a big array has the reference library's form": { try await $0.form($1) },
      "a notification log over a big array has sections": { try await $0.log($1) },
      "arrays are sealed, silent, and closed with their application": { try await $0.surroundings($1) },
    ]
  }

  /// The names of the rules.
  public static var rules: [String] { Array(table.keys).sorted() }

  /// Checks one rule.
  public func check(_ name: String) async throws {
    let rule = try Self.table.rule(name)
    try await withStore(make) { factory in
      try await rule(self, try await SimpleApplication(ApplicationConfiguration(name: "lists"), factory: factory))
    }
  }

  private typealias App = SimpleApplication<Factory>

  // MARK: Arrays

  private func array(_ app: App) async throws {
    let arrays = try await app.arrays(of: String.self, size: 10)
    let array = arrays[UUID()]
    try requireEqual(try await array.nextIndex(), 0, "an array is there, and empty")
    try require(try await array.last() == nil, "it has no last item")
    try requireEqual(try await array.append("a"), 0, "the first index")
    try requireEqual(try await array.append("b"), 1, "the next index")
    try await array.set("x", at: 5)
    try requireEqual(try await array.append("y"), 6, "behind the last one")
    try requireEqual(try await array.item(at: 1), "b", "an item")
    try requireEqual(try await array.last()?.item, "y", "the last item")
    try requireEqual(try await array.last()?.index, 6, "its index")
    try await requireError(.concurrency, "an index is assigned once") { try await array.set("z", at: 5) }
    try requireEqual(try await array.item(at: 5), "x", "the item is as it was")
    for index in [-1, 2, 10, 1000] {
      try await requireError(.arrayIndex, "no item at \(index)") { _ = try await array.item(at: index) }
    }
    for index in [-1, 10, Int.max] {
      try await requireError(.arrayIndex, "no room at \(index)") { try await array.set("z", at: index) }
    }
    for _ in 7..<10 { try await array.append("end") }
    try await requireError(.arrayIndex, "it is full") { try await array.append("too much") }
    let other = arrays[UUID()]
    try requireEqual(try await other.nextIndex(), 0, "arrays share nothing")
    try await requireError(.programming, "an array without room") { _ = try await app.arrays(of: Int.self, size: 0) }
    try await requireError(.decoding, "items of another type") {
      _ = try await app.arrays(of: Int.self, size: 10)[array.id].item(at: 0)
    }
  }

  private func slices(_ app: App) async throws {
    let array = try await app.arrays(of: Int.self, size: 10)[UUID()]
    for index in [0, 1, 2, 5, 9] { try await array.set(index * 10, at: index) }
    try requireEqual(try await array.items(in: 0..<3), [0, 10, 20], "a slice")
    try requireEqual(try await array.items(in: 1...1), [10], "of one")
    try requireEqual(try await array.items(in: 2..<6), [20, nil, nil, 50], "with holes")
    try requireEqual(try await array.items(in: 8...), [nil, 90], "to the end")
    try requireEqual(try await array.items(in: ..<2), [0, 10], "from the start")
    try requireEqual(try await array.items(in: 9..<100), [90], "over the end")
    try requireEqual(try await array.items(in: 20..<100), [], "behind the end")
    try requireEqual(try await array.items(in: 9...100), [90], "over the end, closed")
    try requireEqual(try await array.items(in: ...100).count, 10, "all, and over the end")
    try requireEqual(try await array.items(in: 20...), [], "from behind the end")
    try requireEqual(try await array.items(in: 3..<3), [], "an empty one")
    try await requireError(.arrayIndex, "from below 0") { _ = try await array.items(in: -2..<3) }
  }

  private func appending(_ app: App) async throws {
    let array = try await app.arrays(of: Int.self, size: 1000)[UUID()]
    try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<16 { group.addTask { try await array.append(number) } }
      var indices: [Int] = []
      for try await index in group { indices.append(index) }
      try requireEqual(indices.sorted(), Array(0..<16), "each has an index of its own")
    }
    try requireEqual(try await array.items(in: 0..<16).compactMap { $0 }.sorted(), Array(0..<16), "and is there")
  }

  // MARK: Big arrays

  private func bigArray(_ app: App, size: Int) async throws {
    let capacity = (0..<size).reduce(1) { product, _ in product * size }
    let big = try await app.arrays(of: String.self, size: size).bigArray(UUID())
    try requireEqual(big.capacity, capacity, "the capacity")
    var model: [String] = []
    try require(try await big.last() == nil, "it is empty")
    for index in 0..<capacity {
      try requireEqual(try await big.nextIndex(), index, "the next index")
      try requireEqual(try await big.append("item\(index)"), index, "the index of an item")
      model.append("item\(index)")
      try requireEqual(try await big.last()?.index, index, "the last index")
      try requireEqual(try await big.last()?.item, "item\(index)", "the last item")
    }
    for index in 0..<capacity { try requireEqual(try await big.item(at: index), model[index], "an item") }
    for start in stride(from: 0, through: capacity, by: 2) {
      for end in stride(from: start, through: capacity, by: 3) {
        try requireEqual(
          try await big.items(in: start..<end).compactMap { $0 }, Array(model[start..<end]), "\(start)..<\(end)")
      }
    }
    try requireEqual(try await big.items(in: (capacity - 1)...).count, 1, "to the end")
    try await requireError(.arrayIndex, "it is full") { try await big.append("too much") }
    try await requireError(.concurrency, "an index is assigned once") { try await big.set("again", at: capacity - 1) }
    for index in [-1, capacity] {
      try await requireError(.arrayIndex, "no index \(index)") { _ = try await big.item(at: index) }
      try await requireError(.arrayIndex, "no index \(index)") { try await big.set("x", at: index) }
    }
    try requireEqual(try await big.items(in: capacity...(capacity + 9)).count, 0, "behind the end")
    try requireEqual(try await big.items(in: (capacity + 1)...).count, 0, "from behind the end")
    try await requireError(.arrayIndex, "from below 0") { _ = try await big.items(in: -1..<1) }
  }

  private func anyOrder(_ app: App) async throws {
    var generator = SystemRandomNumberGenerator()
    for size in [3, 4] {
      let big = try await app.arrays(of: Int.self, size: size).bigArray(UUID())
      let order = (0..<27).shuffled(using: &generator)
      var highest = -1
      for (step, index) in order.enumerated() {
        try await big.set(index, at: index)
        highest = max(highest, index)
        try requireEqual(try await big.last()?.index, highest, "the last one after \(order.prefix(step + 1))")
      }
      try requireEqual(try await big.items(in: 0...).compactMap { $0 }, Array(0..<27), "all, after \(order)")
    }
    let large = try await app.arrays(of: Int.self).bigArray(UUID())
    try requireEqual(large.capacity, 10_000_000_000_000_000, "the highest power that fits")
    for index in [0, 9_999, 10_000, 99_999_999, 100_000_000, 9_999_999_999_999_999] {
      try await large.set(index, at: index)
      try requireEqual(try await large.last()?.index, index, "the last one")
      try requireEqual(try await large.item(at: index), index, "an item far away")
    }
  }

  private func appendingToBigArray(_ app: App) async throws {
    let big = try await app.arrays(of: Int.self, size: 3).bigArray(UUID())
    try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<16 { group.addTask { try await big.append(number) } }
      var indices: [Int] = []
      for try await index in group { indices.append(index) }
      try requireEqual(indices.sorted(), Array(0..<16), "each has an index of its own")
    }
    try requireEqual(try await big.items(in: 0...).compactMap { $0 }.sorted(), Array(0..<16), "and is there")
    // All indices at once: whoever comes first makes the links.
    let other = try await app.arrays(of: Int.self, size: 3).bigArray(UUID())
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<27 { group.addTask { try await other.set(number, at: number) } }
      try await group.waitForAll()
    }
    try requireEqual(try await other.items(in: 0...).compactMap { $0 }, Array(0..<27), "all are there")
  }

  private func form(_ app: App) async throws {
    let id = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 42))
    let big = try await app.arrays(of: String.self, size: 3).bigArray(id)
    for number in 0..<10 { try await big.append("\(number)") }
    let records = try await app.factory.recordManager(
      for: RecordPartition(application: "lists#items"))
    // Root: the apex of each height; none for an index that nothing needed.
    try requireEqual(try await records.list(id).map(\.originatorVersion), [0, 1, 2], "the root")
    let base = try require(UUID(uuidString: "741a8968-ba62-5d73-aa31-6704748b3971"))
    let items = try await records.list(base)
    try requireEqual(items.map(\.originatorVersion), [0, 1, 2], "the array over (3, 6)")
    try requireEqual(items[0].topic, "eventsourcing.domain.model.array#ItemAssigned", "its topic")
    let apex = try require(UUID(uuidString: "cc7cb13e-3c9b-52c1-9afc-e49201382834"))
    try requireEqual(try await records.list(apex).map(\.originatorVersion), [1], "the array over (0, 27)")
  }

  private func require<T>(_ value: T?) throws -> T {
    guard let value else { throw ContractViolation(description: "a value is missing") }
    return value
  }

  private func require(_ condition: Bool, _ rule: String) throws {
    if !condition { throw ContractViolation(description: rule) }
  }

  // MARK: Logs

  private func log(_ app: App) async throws {
    let big = try await app.arrays(of: String.self, size: 10_000).bigArray(UUID())
    try await requireError(.programming, "a size that does not divide") {
      _ = try BigArrayNotificationLog(big, sectionSize: 6)
    }
    try await requireError(.programming, "a section without room") {
      _ = try BigArrayNotificationLog(big, sectionSize: 0)
    }
    let log = try BigArrayNotificationLog(big, sectionSize: 5)
    func requireSection(
      _ asked: String, _ id: String, _ count: Int, _ previous: String?, _ next: String?
    ) async throws {
      let section = try await log.section(asked)
      try requireEqual(section.id, id, "the ID of \(asked)")
      try requireEqual(section.items.count, count, "the items of \(asked)")
      try requireEqual(section.previousID, previous, "the section before \(asked)")
      try requireEqual(section.nextID, next, "the section after \(asked)")
    }
    try await requireSection("current", "1,5", 0, nil, nil)
    for number in 1...13 { try await big.append("item\(number)") }
    try await requireSection("current", "11,15", 3, "6,10", nil)
    try await requireSection("1,5", "1,5", 5, nil, "6,10")
    try await requireSection("6,10", "6,10", 5, "1,5", "11,15")
    try await requireSection("11,15", "11,15", 3, "6,10", nil)
    try await requireSection("16,20", "16,20", 0, "11,15", nil)
    try await requireSection("21,25", "21,25", 0, "16,20", nil)
    for number in 14...24 { try await big.append("item\(number)") }
    try await requireSection("11,15", "11,15", 5, "6,10", "16,20")
    try await requireSection("16,20", "16,20", 5, "11,15", "21,25")
    try await requireSection("21,25", "21,25", 4, "16,20", nil)
    try await requireSection("26,30", "26,30", 0, "21,25", nil)
    try await requireError(.programming, "a section that cannot be") { _ = try await log.section("invalid") }
    let items = try await NotificationLogReader(log).read()
    try requireEqual(items.map(\.id), Array(1...24), "the IDs")
    try requireEqual(items.map(\.item), (1...24).map { "item\($0)" }, "the items")
    try requireEqual(
      try await NotificationLogReader(log, usesDirectQuery: true).read(), items, "the same in one query")
  }

  private func surroundings(_ app: App) async throws {
    let arrays = try await app.arrays(of: [String: UUID].self, size: 3)
    let array = arrays[UUID()]
    let big = arrays.bigArray(UUID())
    let value = ["a": UUID()]
    try await array.append(value)
    try await big.append(value)
    try requireEqual(try await array.item(at: 0), value, "an item")
    try requireEqual(try await app.records.maxNotificationID(), 0, "items have no notification IDs")
    // The same ID as an aggregate's: roles have positions of their own.
    let patient = try admit(id: array.id)
    try requireEqual(try await app.save(patient), [1], "an aggregate with the array's ID")
    try requireEqual(try await array.append(value), 1, "and the array goes on")
    try await app.close()
    try await requireError(.programming, "append after close") { try await array.append(value) }
    try await requireError(.programming, "read after close") { _ = try await array.item(at: 0) }
    try await requireError(.programming, "big append after close") { try await big.append(value) }
    try await requireError(.programming, "arrays after close") { _ = try await app.arrays(of: Int.self) }
  }
}

/// The pending events of some aggregates, to be stored together.
struct PendingChanges {
  /// The aggregates, each once.
  private(set) var aggregates: [AnyAggregateRoot] = []
  /// How many of its pending events each has here.
  private(set) var counts: [Int] = []
  /// The events, in the order in which they are stored.
  private(set) var events: [DomainEvent] = []

  /// All that is pending, aggregate by aggregate.
  init(_ aggregates: [AnyAggregateRoot]) {
    var known: Set<ObjectIdentifier> = []
    for aggregate in aggregates where known.insert(ObjectIdentifier(aggregate)).inserted {
      self.aggregates.append(aggregate)
      counts.append(aggregate.pendingEvents.count)
      events.append(contentsOf: aggregate.pendingEvents)
    }
  }

  /// Puts the events of several aggregates in the order of their timestamps. Those of one aggregate stay in their order,
  /// whatever their timestamps say; so do events of different aggregates with the same one.
  mutating func sortByTime() {
    guard counts.count(where: { $0 > 0 }) > 1 else { return }
    var queues: [ArraySlice<DomainEvent>] = []
    var start = 0
    for count in counts where count > 0 {
      queues.append(events[start..<(start + count)])
      start += count
    }
    var sorted: [DomainEvent] = []
    sorted.reserveCapacity(events.count)
    while sorted.count < events.count {
      var earliest: Int?
      for (index, queue) in queues.enumerated() {
        guard let first = queue.first else { continue }
        if let known = earliest, let other = queues[known].first, other.timestamp <= first.timestamp { continue }
        earliest = index
      }
      guard let earliest else { break }
      sorted.append(queues[earliest].removeFirst())
    }
    events = sorted
  }
}

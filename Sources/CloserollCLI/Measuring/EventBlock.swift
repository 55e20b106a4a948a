import SegmentStorage

/// Events that lie ready in memory, so that making them is not measured.
struct EventBlock: Sendable {
  struct Entry: Sendable {
    var originator: OriginatorID
    var position: Int64
    var topic: Range<Int>
    var state: Range<Int>
  }

  private(set) var bytes: [UInt8] = []
  private(set) var entries: ContiguousArray<Entry> = []

  var count: Int { entries.count }

  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    entries.removeAll(keepingCapacity: true)
  }

  mutating func add(
    _ originator: OriginatorID, _ position: Int64, topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer
  ) {
    let start = bytes.count
    bytes.append(contentsOf: topic)
    let middle = bytes.count
    bytes.append(contentsOf: state)
    entries.append(
      Entry(originator: originator, position: position, topic: start..<middle, state: middle..<bytes.count))
  }

  /// Adds some of the events to a commit.
  @inline(__always)
  func add(_ range: Range<Int>, to commit: Commit, _ partition: Partition) throws {
    try bytes.withUnsafeBytes { bytes in
      for index in range {
        let entry = entries[index]
        try commit.add(
          to: partition, originator: entry.originator, position: entry.position,
          topic: UnsafeRawBufferPointer(rebasing: bytes[entry.topic]),
          state: UnsafeRawBufferPointer(rebasing: bytes[entry.state]))
      }
    }
  }
}

/// Where the events come from that are measured: the same ones each time it is begun.
protocol Workload {
  /// What it is, for the table's head.
  var description: String { get }
  /// How many there are.
  var eventCount: Int { get }
  /// Starts over.
  mutating func rewind() throws
  /// Puts the next events into a block, after emptying it; fewer than `count` only at the end.
  mutating func fill(_ block: inout EventBlock, _ count: Int) throws
}

import EventSourcing
import FoundationEssentials
import Sealing
import SegmentStorage

/// Stores the events of an input, batch by batch: each batch is one commit, there wholly or not at all.
///
/// Memory is constant: one line, one batch. A batch ends early when its states have reached 16 MiB.
struct Importer: ~Copyable {
  private static let mostBytesPerBatch = 16 << 20
  /// Acknowledgements that wait for a flush at the most, when commits do not flush.
  private static let mostUnflushed = 4096

  private let store: SegmentStore
  private let partition: Partition
  private let options: ImportOptions
  private let mapper: SequencedItemMapper
  private let commit: Commit
  private var parser = EventLineParser()
  private var output = OutputBuffer()
  private var batch = Batch()
  private var unacknowledged: [Int64] = []
  private(set) var result = ImportResult()

  init(store: SegmentStore, partition: Partition, options: ImportOptions) {
    self.store = store
    self.partition = partition
    self.options = options
    mapper = SequencedItemMapper(application: partition.application, sealer: store.codec)
    commit = store.makeCommit()
  }

  /// Imports all lines.
  ///
  /// - Throws: a ``Failure`` that names the line for invalid input and for a conflict: the batch of that line is not
  ///   stored, what was committed before is, and is acknowledged.
  mutating func run(_ reader: inout LineReader) throws {
    var progress = Progress("events")
    defer { progress.finish() }
    do {
      while let line = try reader.next() {
        try add(line, number: reader.lineNumber)
        guard commit.count >= options.batch || batch.bytes >= Self.mostBytesPerBatch else { continue }
        try append()
        progress.update(result.imported + result.skipped)
      }
      try append()
    } catch {
      try acknowledgeFlushed()
      throw error
    }
    try acknowledgeFlushed()
  }

  private mutating func add(_ line: UnsafeRawBufferPointer, number: Int) throws {
    let parsed: EventLine?
    do throws(JSONFault) {
      parsed = try parser.parse(line)
    } catch {
      throw Failure(.data, "Line \(number), byte \(error.offset + 1): \(error.what). Its batch was not stored.")
    }
    guard let event = parsed else { return }
    if options.skipsExisting, try isStored(event, number: number) {
      result.skipped += 1
      return
    }
    do {
      try seal(event)
    } catch {
      guard var failure = Failure(known: error) else { throw error }
      failure.message = "Line \(number): \(failure.message)"
      throw failure
    }
    batch.add(event, line: number, keepsContents: options.skipsExisting)
  }

  /// Adds an event to the commit as an application would: sealed by the mapper with the store's own codec.
  private func seal(_ event: EventLine) throws {
    let (state, _) = try mapper.seal(
      Array(event.state), topic: String(decoding: event.topic, as: UTF8.self), originatorID: event.originator.uuid,
      position: Int(event.position))
    try state.withUnsafeBytes { sealed in
      let end = sealed.count - store.codec.tagLength
      try commit.addSealed(
        to: partition, originator: event.originator, position: event.position, topic: event.topic,
        blob: UnsafeRawBufferPointer(rebasing: sealed[..<end]), tag: UnsafeRawBufferPointer(rebasing: sealed[end...]))
    }
  }

  /// Whether an event is stored, or waits in this batch, with equal content.
  ///
  /// - Throws: a ``Failure`` if it is there with other content.
  private func isStored(_ event: EventLine, number: Int) throws -> Bool {
    var comparison = batch.compare(event)
    if comparison == nil {
      try store.readRecords(
        of: partition, originator: event.originator,
        in: RecordRange(positions: event.position...event.position, limit: 1)
      ) { record in
        comparison =
          record.topic.elementsEqual(event.topic) && JSONValue.areEqual(record.state, event.state)
        return false
      }
    }
    guard let comparison else { return false }
    guard comparison else {
      throw Failure(
        .data,
        "Line \(number): version \(event.position) of originator \(event.originator) is stored with other content. Its "
          + "batch was not stored.")
    }
    return true
  }

  private mutating func append() throws {
    guard !commit.isEmpty else { return batch.removeAll() }
    let receipt: CommitReceipt
    do throws(StorageError) {
      receipt = try store.append(commit)
    } catch {
      guard error.code == .conflict, let originator = error.originator, let position = error.position else {
        throw error
      }
      let line = batch.line(of: originator, position).map { "Line \($0): version" } ?? "Version"
      throw Failure(
        .data,
        "\(line) \(position) of originator \(originator) is stored already. Its batch was not stored; with "
          + "--skip-existing, events that are stored with equal content are passed over.")
    }
    result.imported += commit.count
    result.commits += 1
    commit.removeAll()
    batch.removeAll()
    guard options.acknowledges, let last = receipt.lastNotificationID else { return }
    unacknowledged.append(last)
    if options.isDurable {
      try acknowledge()
    } else if unacknowledged.count >= Self.mostUnflushed {
      try acknowledgeFlushed()
    }
  }

  private mutating func acknowledgeFlushed() throws {
    guard !unacknowledged.isEmpty else { return }
    try store.flush()
    try acknowledge()
  }

  /// Prints what is durable, at once.
  private mutating func acknowledge() throws {
    for id in unacknowledged {
      output.append(id)
      output.append("\n")
    }
    unacknowledged.removeAll(keepingCapacity: true)
    try output.flush()
  }
}

extension Importer {
  /// What is remembered of the events that wait in a commit.
  struct Batch {
    private struct Key: Hashable {
      var originator: OriginatorID
      var position: Int64
    }

    private struct Entry {
      var key: Key
      var line: Int
    }

    private struct Contents {
      var topic: Range<Int>
      var state: Range<Int>
    }

    /// Bytes of all states.
    private(set) var bytes = 0
    private var entries: [Entry] = []
    private var contents: [Key: Contents] = [:]
    private let arena = GrowingBuffer()

    mutating func removeAll() {
      bytes = 0
      entries.removeAll(keepingCapacity: true)
      contents.removeAll(keepingCapacity: true)
      arena.removeAll()
    }

    mutating func add(_ event: EventLine, line: Int, keepsContents: Bool) {
      let key = Key(originator: event.originator, position: event.position)
      bytes += event.state.count
      entries.append(Entry(key: key, line: line))
      guard keepsContents else { return }
      let start = arena.count
      arena.append(event.topic)
      let middle = arena.count
      arena.append(event.state)
      contents[key] = Contents(topic: start..<middle, state: middle..<arena.count)
    }

    /// Whether the same place holds an equal event; `nil` if the batch has none for it.
    func compare(_ event: EventLine) -> Bool? {
      guard let known = contents[Key(originator: event.originator, position: event.position)] else { return nil }
      let all = arena.bytes
      return UnsafeRawBufferPointer(rebasing: all[known.topic]).elementsEqual(event.topic)
        && JSONValue.areEqual(UnsafeRawBufferPointer(rebasing: all[known.state]), event.state)
    }

    /// The line of a place: the last one, since an earlier one is not at fault if it comes twice.
    func line(of originator: OriginatorID, _ position: Int64) -> Int? {
      let key = Key(originator: originator, position: position)
      return entries.last { $0.key == key }?.line
    }
  }
}

extension OriginatorID {
  /// The same 16 bytes as the application layer has them.
  fileprivate var uuid: UUID {
    withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
  }
}

internal import Sealing

/// An event as a notification log hands it out. The bytes are valid during the call only.
public struct NotificationView {
  /// The place in the partition's sequence: 1, 2, 3, …
  public let id: Int64
  /// Whose event it is.
  public let originator: OriginatorID
  /// The event's position in its originator's sequence.
  public let position: Int64
  /// UTF-8 of the topic.
  public let topic: UnsafeRawBufferPointer
  /// The state, opened.
  public let state: UnsafeRawBufferPointer
  /// The causal dependencies that were stored with it; empty for none.
  public let causalDependencies: UnsafeRawBufferPointer
}

/// Reads a partition's notifications in their order, and goes on where it stopped.
///
/// Never passes the durable mark. Keeps its place in the log, so that following a growing log costs nothing per
/// notification that was read before. Not thread-safe: one reader a thread. Made by
/// ``SegmentStore/makeNotificationReader(_:after:)``.
public final class NotificationReader {
  private let store: SegmentStore
  private let partition: Partition
  /// The ID that the next read starts with.
  public private(set) var nextID: Int64

  private struct Place {
    var ordinal: UInt64
    var reader: SegmentReader
    var walker: FrameWalker
    var epoch: UInt32
  }

  private var place: Place?
  private var metadata = CommitMetadata()
  private let plaintext = RawBuffer(capacity: 4096)

  init(store: SegmentStore, partition: Partition, after id: Int64) {
    self.store = store
    self.partition = partition
    nextID = min(max(0, id), .max - 1) + 1
  }

  private var context: StoreContext { store.context }

  /// Reads on, up to `limit` notifications.
  ///
  /// Costs some 0.4 µs a notification that is in the page cache, and as much again for a frame; allocates nothing per
  /// notification.
  ///
  /// - Parameters:
  ///   - last: the last ID to read. Deleted ones do not count for the limit, but do for this.
  ///   - limit: the most notifications to read.
  ///   - body: gets each notification; returns whether to go on. The one for which it returns `false` counts as
  ///     read; the one for which it throws does not.
  /// - Returns: how many were read.
  /// - Throws: ``StorageError``, and what `body` throws.
  @discardableResult
  public func read(through last: Int64 = .max, limit: Int = .max, _ body: (NotificationView) throws -> Bool) throws
    -> Int
  {
    try store.checkOpen()
    let snapshot = store.view.notificationSnapshot(partition)
    let last = min(last, snapshot.head)
    guard limit > 0, let number = snapshot.partition, nextID <= last else { return 0 }
    var count = 0
    var place = try resume(snapshot, number)
    do {
      let goesOn: Bool = try context.keys.codec.withReader { states in
        while nextID <= last {
          switch try place.walker.peek() {
          case .frame(let frame):
            let frameIsDone = try read(
              frame, in: &place, partition: number, deleted: snapshot.deleted, through: last, limit: limit,
              count: &count, states: states, body)
            if !frameIsDone { return false }
            place.walker.advance(over: frame)
            if count >= limit { return false }
          case .stop(.zeros):
            // The log is read up to where a frame ends.
            throw StorageError.damaged(
              "There are zeros where a frame should be", place.reader.segment.name, UInt64(place.walker.offset))
          case .stop(.end):
            guard let next = try self.next(after: place, in: snapshot) else {
              throw StorageError.damaged(
                "The log ends before notification \(nextID)", place.reader.segment.name, UInt64(place.walker.offset))
            }
            place = next
          case .stop(.invalid(let what)):
            throw StorageError.damaged(what, place.reader.segment.name, UInt64(place.walker.offset))
          }
        }
        return true
      }
      _ = goesOn
      self.place = place
    } catch {
      self.place = nil
      throw error
    }
    return count
  }

  /// Goes on with an ID that is not before ``nextID``.
  func skip(to id: Int64) {
    guard id > nextID else { return }
    nextID = id
    place = nil
  }

  /// Reads the records of one frame from ``nextID`` on.
  ///
  /// - Returns: whether the frame was read to its end.
  private func read(
    _ frame: Frame, in place: inout Place, partition number: UInt32, deleted: [Int64], through last: Int64, limit: Int,
    count: inout Int, states: StateReader, _ body: (NotificationView) throws -> Bool
  ) throws -> Bool {
    let suite = context.keys.suite
    let segment = place.reader.segment
    switch FrameType(rawValue: frame.header.type) {
    case .epoch:
      var reader = ByteReader(frame.metadata(suite))
      if let description = EpochDescription(&reader) {
        do throws(StorageError) {
          try context.keys.register([description], file: segment.name)
        } catch {
          throw StorageError.damaged("An epoch does not verify", segment.name, UInt64(frame.offset))
        }
        if frame.header.flags.contains(.becomesCurrent) { place.epoch = description.number }
      }
      return true
    case .commit: break
    default: return true
    }
    var key: PurposeKey?
    if let epochs = context.keys.epochs {
      key = try sealing { () throws(SealingError) in try epochs.keys(place.epoch).metadata }
    }
    let link = ChainLink(
      place.walker.previousTag, suite: suite, headerHash: place.walker.isFirst ? segment.headerHash : nil)
    guard frame.openMetadata(suite, key: key, link: link, into: plaintext),
      metadata.parse(
        plaintext.bytes, recordCount: frame.header.recordCount, names: Int(UInt32.max), partitions: Int(UInt32.max))
    else { throw StorageError.damaged("A commit does not verify", segment.name, UInt64(frame.offset)) }
    var blobOffset = frame.header.prefixLength(suite)
    let base = frame.bytes.baseAddress.unsafelyUnwrapped
    var entry = base + Format.frameHeaderSize
    var state = StateContext(
      role: .event, application: partition.name.bytes, originatorHigh: 0, originatorLow: 0, position: 0)
    for index in metadata.records.indices {
      let length = Int(UInt32(littleEndian: entry.loadUnaligned(as: UInt32.self)))
      let record = metadata.records[index]
      let isWanted = record.partition == number && record.notificationID >= nextID
      // A deleted record is still in the log: it, too, is the next one.
      guard !isWanted || record.notificationID == nextID else {
        throw StorageError.damaged(
          "Notification \(nextID) is not where it should be", segment.name, UInt64(frame.offset))
      }
      if isWanted, record.notificationID > last { return false }
      if isWanted, !deleted.isEmpty, deleted.containsSorted(record.notificationID) {
        nextID = record.notificationID + 1
      } else if isWanted {
        if count >= limit { return false }
        state.originatorHigh = record.originator.high
        state.originatorLow = record.originator.low
        state.position = record.position
        let opened: OpenedState
        do throws(SealingError) {
          opened = try states.open(
            blob: UnsafeRawBufferPointer(start: base + blobOffset, count: length), tag: entry + 8, context: state)
        } catch {
          throw StorageError.damaged(
            "A record does not verify", segment.name, UInt64(frame.offset + blobOffset), originator: record.originator,
            position: record.position)
        }
        let goesOn = try body(
          NotificationView(
            id: record.notificationID, originator: record.originator, position: record.position, topic: opened.topic,
            state: opened.state,
            causalDependencies: UnsafeRawBufferPointer(
              rebasing: plaintext.bytes[
                record.dependenciesOffset..<(record.dependenciesOffset + record.dependenciesLength)])))
        count += 1
        nextID = record.notificationID &+ 1
        if !goesOn { return false }
      }
      blobOffset += length
      entry += suite.tableEntrySize
    }
    return true
  }

  // MARK: Finding the place

  private func resume(_ snapshot: LogView.NotificationSnapshot, _ number: UInt32) throws(StorageError) -> Place {
    guard let known = place else { return try seek(snapshot, number) }
    if known.ordinal == snapshot.active.header.ordinal {
      known.reader.limit = snapshot.durableEnd
      known.reader.invalidate()
      return known
    }
    if let sealed = snapshot.sealed.first(where: { $0.segment.header.ordinal == known.ordinal }) {
      known.reader.limit = sealed.end
      known.reader.invalidate()
      return known
    }
    return try seek(snapshot, number)
  }

  /// The frame in which to start looking for ``nextID``.
  private func seek(_ snapshot: LogView.NotificationSnapshot, _ number: UInt32) throws(StorageError) -> Place {
    func head(_ heads: [Int64]) -> Int64 { Int(number) < heads.count ? heads[Int(number)] : 0 }
    if head(snapshot.headsAtOpening) < nextID {
      var entry = store.view.activeDirectoryEntry(partition: number, id: nextID, in: snapshot.active)
      if entry == nil, let covered = snapshot.activeCovered {
        entry = try covered.directoryEntry(partition: number, id: nextID)
      }
      return makePlace(snapshot.active, limit: snapshot.durableEnd, entry: entry)
    }
    // The last sealed segment whose opening is before the ID.
    var low = 0
    var high = snapshot.sealed.count
    while low < high {
      let middle = (low + high) / 2
      let info = try snapshot.sealed[middle].loadIndex().info
      if head(info.headsAtOpening) < nextID { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else {
      throw .damaged(
        "Notification \(nextID) is not in the log", snapshot.sealed.first?.segment.name ?? snapshot.active.name, 0)
    }
    let sealed = snapshot.sealed[low - 1]
    return makePlace(
      sealed.segment, limit: sealed.end, entry: try sealed.directoryEntry(partition: number, id: nextID))
  }

  private func makePlace(_ segment: Segment, limit: Int, entry: DirectoryEntry?) -> Place {
    let reader = SegmentReader(segment, limit: limit)
    var walker: FrameWalker
    if let entry {
      walker = FrameWalker(
        reader: reader, offset: Int(entry.frameOffset), previousTag: entry.link, previousCRC: nil, nextSequence: nil,
        checksBlobs: false)
    } else {
      walker = FrameWalker(from: reader, checksBlobs: false)
    }
    // The tag covers what the checksum does.
    walker.checksBody = context.keys.suite == .plain
    return Place(
      ordinal: segment.header.ordinal, reader: reader, walker: walker, epoch: entry?.epoch ?? 0)
  }

  private func next(after place: Place, in snapshot: LogView.NotificationSnapshot) throws(StorageError) -> Place? {
    if let sealed = snapshot.sealed.first(where: { $0.segment.header.ordinal == place.ordinal + 1 }) {
      _ = try sealed.loadIndex()
      return makePlace(sealed.segment, limit: sealed.end, entry: nil)
    }
    guard snapshot.active.header.ordinal == place.ordinal + 1 else { return nil }
    return makePlace(snapshot.active, limit: snapshot.durableEnd, entry: nil)
  }
}

extension [Int64] {
  /// Whether an ascending array has a value.
  fileprivate func containsSorted(_ value: Int64) -> Bool {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low] == value
  }
}

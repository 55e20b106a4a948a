internal import Sealing

/// The keys of a sealed store while it is open: nothing in a plain one.
struct StoreKeys: Sendable {
  let suite: Suite
  let keyring: Keyring?
  let epochs: EpochRegistry?
  let dictionaries: DictionaryRegistry
  let codec: StateCodec
  let index: IndexKeys
}

/// Reads frames of one segment in their order and keeps what they say: names, heads, tracking, epochs, dictionaries and,
/// if it has one, an index of records.
///
/// Recovery, a reader that follows, and the rebuilding of a lost run all go through here, so that they agree.
struct LogReplayer {
  let keys: StoreKeys
  let segment: Segment
  /// The state behind the last frame applied.
  private(set) var info: SegmentInfo
  /// Where record places go.
  let index: ActiveIndex?
  /// The highest offset that a frame says was durable when it was written.
  private(set) var syncedUpTo = 0
  /// Frames applied so far.
  private(set) var frameCount: UInt64 = 0
  private var metadata = CommitMetadata()
  private var heads: ContiguousArray<Int64> = []
  private let plaintext = RawBuffer(capacity: 4096)

  /// From a segment's start.
  init(keys: StoreKeys, segment: Segment, index: ActiveIndex?) {
    self.keys = keys
    self.segment = segment
    self.index = index
    info = SegmentInfo(
      end: Format.pageSize, lastTag: segment.header.previousTag, lastCRC: 0, nextSequence: segment.header.firstSequence)
  }

  /// From behind the part that a run covers.
  init(keys: StoreKeys, segment: Segment, continuing info: SegmentInfo, index: ActiveIndex?) throws(StorageError) {
    self.keys = keys
    self.segment = segment
    self.index = index
    self.info = info
    try register(info)
  }

  /// The records of the commit that was applied last.
  var lastCommit: ContiguousArray<CommitMetadata.Record> { metadata.records }

  /// Makes a segment's epochs known. Its dictionaries are loaded by ``loadDictionaries(_:from:)``.
  private func register(_ info: SegmentInfo) throws(StorageError) {
    try keys.register(info.epochs, file: segment.name)
  }

  /// A walker that stands behind the last frame applied.
  func walker(_ reader: SegmentReader, checksBlobs: Bool) -> FrameWalker {
    if info.end == Format.pageSize { return FrameWalker(from: reader, checksBlobs: checksBlobs) }
    return FrameWalker(
      reader: reader, offset: info.end, previousTag: info.lastTag, previousCRC: info.lastCRC,
      nextSequence: info.nextSequence, checksBlobs: checksBlobs)
  }

  private var suite: Suite { keys.suite }

  /// Opens one frame and takes over what it says.
  ///
  /// - Returns: what is wrong with it, or `nil`. Nothing of a frame that is wrong was taken over.
  mutating func apply(_ frame: Frame, isFirst: Bool) throws(StorageError) -> String? {
    let link = ChainLink(info.lastTag, suite: suite, headerHash: isFirst ? segment.headerHash : nil)
    switch FrameType(rawValue: frame.header.type) {
    case .epoch:
      if let defect = try applyEpoch(frame, link) { return defect }
    case .dictionary:
      guard let content = try open(frame, link, \.dictionary) else { return "A dictionary frame does not verify" }
      guard let dictionary = Self.dictionary(content) else { return "A dictionary frame does not hold a dictionary" }
      keys.dictionaries.register(dictionary)
      info.dictionaries.append(
        FrameBuilder.DictionaryPlace(
          number: dictionary.number, epoch: info.currentEpoch, offset: UInt32(frame.offset), link: info.lastTag))
      info.state.currentDictionary = max(info.state.currentDictionary, dictionary.number)
    case .opening:
      guard let content = try open(frame, link, \.metadata) else { return "An opening frame does not verify" }
      var reader = ByteReader(content)
      guard var state = LogState(&reader), reader.isAtEnd else { return "An opening frame cannot be read" }
      state.highestEpoch = max(state.highestEpoch, info.state.highestEpoch)
      info.state = state
      info.headsAtOpening = state.partitions.map(\.head)
    case .commit:
      if let defect = try applyCommit(frame, link) { return defect }
    case .footer:
      guard try open(frame, link, \.metadata) != nil else { return "A footer does not verify" }
    case nil:
      // A type that may be skipped; its place in the chain is checked all the same.
      guard try open(frame, link, \.metadata) != nil else { return "A frame does not verify" }
    }
    frameCount += 1
    syncedUpTo = max(syncedUpTo, Int(frame.header.syncedUpTo))
    info.end = frame.end
    info.lastTag = frame.tag(suite)
    info.lastCRC = frame.header.headerCRC
    info.nextSequence = frame.header.sequence + 1
    return nil
  }

  private func open(
    _ frame: Frame, _ link: borrowing ChainLink, _ purpose: KeyPath<EpochKeys, PurposeKey>
  ) throws(StorageError) -> UnsafeRawBufferPointer? {
    var key: PurposeKey?
    if let epochs = keys.epochs {
      guard info.currentEpoch != 0 else { return nil }
      do throws(SealingError) {
        key = try epochs.keys(info.currentEpoch)[keyPath: purpose]
      } catch {
        throw StorageError(error, file: segment.name, offset: UInt64(frame.offset))
      }
    }
    return frame.openMetadata(suite, key: key, link: link, into: plaintext) ? plaintext.bytes : nil
  }

  private mutating func applyEpoch(_ frame: Frame, _ link: borrowing ChainLink) throws(StorageError) -> String? {
    guard let epochs = keys.epochs else { return "A plain store holds an epoch frame" }
    var reader = ByteReader(frame.metadata(suite))
    guard let description = EpochDescription(&reader), reader.isAtEnd else { return "An epoch frame cannot be read" }
    if let known = epochs.description(description.number), known != description {
      return "An epoch frame contradicts another of its number"
    }
    do throws(SealingError) {
      try epochs.register(description)
      guard frame.verifiesClear(suite, key: try epochs.keys(description.number).metadata, link: link) else {
        return "An epoch frame does not verify"
      }
    } catch {
      throw StorageError(error, file: segment.name, offset: UInt64(frame.offset))
    }
    if !info.epochs.contains(where: { $0.number == description.number }) { info.epochs.append(description) }
    if frame.header.flags.contains(.becomesCurrent) { info.currentEpoch = description.number }
    info.state.highestEpoch = max(info.state.highestEpoch, description.number)
    return nil
  }

  private mutating func applyCommit(_ frame: Frame, _ link: borrowing ChainLink) throws(StorageError) -> String? {
    guard let content = try open(frame, link, \.metadata) else { return "A commit does not verify" }
    guard
      metadata.parse(
        content, recordCount: frame.header.recordCount, names: info.state.names.count,
        partitions: info.state.partitions.count)
    else { return "A commit's metadata cannot be read" }
    guard info.state.accepts(metadata, heads: &heads) else {
      return "A commit does not continue the notification sequence or the tracking"
    }
    info.state.apply(metadata)
    guard let index else { return nil }
    var blobOffset = frame.offset + frame.header.prefixLength(suite)
    let table = frame.table(suite)
    var noted: UInt32?
    for number in metadata.records.indices {
      let record = metadata.records[number]
      let key = OriginatorKey(
        originator: record.originator, application: info.state.partitions[Int(record.partition)].application,
        role: record.role)
      var slot = index.slot(of: key)
      if slot < 0 { slot = index.makeSlot(key, sealedMaximum: ActiveIndex.unknownMaximum) }
      index.insert(
        slot,
        RecordLocation(
          position: record.position, frameOffset: UInt32(frame.offset), blobOffset: UInt32(blobOffset),
          recordIndex: UInt16(number), flags: record.flags))
      if record.notificationID > 0, noted != record.partition {
        noted = record.partition
        index.noteFrame(
          DirectoryEntry(
            partition: record.partition, epoch: info.currentEpoch, firstID: record.notificationID,
            frameOffset: UInt32(frame.offset), link: info.lastTag))
      }
      blobOffset += Int(
        UInt32(littleEndian: table.loadUnaligned(fromByteOffset: number * suite.tableEntrySize, as: UInt32.self)))
    }
    return nil
  }

  /// The dictionary in the opened content of its frame: number u32 ‖ content.
  static func dictionary(_ content: UnsafeRawBufferPointer) -> CompressionDictionary? {
    var reader = ByteReader(content)
    let number = reader.read(UInt32.self)
    let bytes = Array(reader.readBytes(reader.remaining))
    guard !reader.failed, number > 0 else { return nil }
    do throws(SealingError) {
      return try CompressionDictionary(number: number, content: bytes)
    } catch {
      return nil
    }
  }
}

extension StoreKeys {
  /// Makes the epochs of a segment known.
  func register(_ descriptions: [EpochDescription], file: String) throws(StorageError) {
    guard let epochs else { return }
    do throws(SealingError) {
      for description in descriptions { try epochs.register(description) }
    } catch {
      throw StorageError(error, file: file)
    }
  }

  /// Loads the dictionaries that a segment's frames use and that are not known yet.
  func loadDictionaries(_ info: SegmentInfo, from segment: Segment) throws(StorageError) {
    for place in info.dictionaries where dictionaries.dictionary(place.number) == nil {
      let reader = SegmentReader(segment, limit: info.end, usesMapping: false)
      let walker = FrameWalker(
        reader: reader, offset: Int(place.offset), previousTag: place.link, previousCRC: nil, nextSequence: nil,
        checksBlobs: false)
      guard case .frame(let frame) = try walker.peek(), FrameType(rawValue: frame.header.type) == .dictionary else {
        throw .damaged("A dictionary is not where it should be", segment.name, UInt64(place.offset))
      }
      var key: PurposeKey?
      if let epochs {
        do throws(SealingError) {
          key = try epochs.keys(place.epoch).dictionary
        } catch {
          throw StorageError(error, file: segment.name, offset: UInt64(place.offset))
        }
      }
      let content = RawBuffer(capacity: 64 << 10)
      guard
        frame.openMetadata(
          suite, key: key, link: ChainLink(place.link, suite: suite, headerHash: nil), into: content),
        let dictionary = LogReplayer.dictionary(content.bytes)
      else { throw .damaged("A dictionary does not verify", segment.name, UInt64(place.offset)) }
      dictionaries.register(dictionary)
    }
  }
}

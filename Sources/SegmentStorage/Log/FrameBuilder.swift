internal import Sealing

/// Puts frames together in memory, one behind the other, as they will stand in the segment.
///
/// Holds the chain: the tag, CRC and sequence number of the last frame built. It is a value, so that a group that could
/// not be written is forgotten by going back to the copy from before.
struct FrameBuilder {
  let suite: Suite
  let alignment: Int
  /// Offset in the segment of the next frame.
  var offset: Int
  var previousTag: LinkTag
  var previousCRC: UInt32
  var nextSequence: UInt64
  /// The segment's header hash while no frame of it was built.
  var headerHash: [UInt8]?

  /// Epochs that have a frame in this segment, and the one that metadata is sealed with.
  var epochs: [EpochDescription] = []
  var currentEpoch: UInt32 = 0
  /// Dictionaries that have a frame in this segment.
  var dictionaries: [DictionaryPlace] = []

  /// Where a dictionary's frame stands, and what is needed to open it there.
  struct DictionaryPlace: Equatable, Sendable {
    var number: UInt32
    var epoch: UInt32
    var offset: UInt32
    var link: LinkTag
  }

  func hasEpoch(_ number: UInt32) -> Bool {
    number == currentEpoch || epochs.contains { $0.number == number }
  }

  private var link: ChainLink { ChainLink(previousTag, suite: suite, headerHash: headerHash) }

  /// Finishes a frame that starts at `start` in `buffer`: authenticated part of the header, tag, CRCs, padding.
  ///
  /// `seal` gets header ‖ table ‖ link as associated data and writes the tag.
  private mutating func finish(
    _ header: FrameHeader, start: Int, in buffer: RawBuffer, tagged: LinkTag
  ) {
    let base = buffer.start + start
    let bodyLength = header.prefixLength(suite) - Format.frameHeaderSize
    let bodyCRC = CRC32C.checksum(UnsafeRawBufferPointer(start: base + Format.frameHeaderSize, count: bodyLength))
    previousCRC = FrameHeader.storeChecksums(bodyCRC: bodyCRC, to: base)
    previousTag = tagged
    nextSequence &+= 1
    offset += header.frameLength
    headerHash = nil
  }

  private func padded(_ length: Int) -> Int { (length + alignment - 1) & ~(alignment - 1) }

  /// Appends a frame without records whose metadata is sealed (or, in a plain store, checksummed) content.
  ///
  /// - Parameter key: the key to seal with; `nil` in a plain store.
  mutating func appendSealed(
    _ type: FrameType, content: UnsafeRawBufferPointer, key: PurposeKey?, syncedUpTo: Int, to buffer: RawBuffer
  ) throws(StorageError) {
    guard content.count <= Format.maximumMetadataSize else {
      throw StorageError(.limitExceeded, "The names, epochs and partitions of the store do not fit one frame.")
    }
    let counter = try nextCounter(key)
    let unpadded = Format.frameHeaderSize + content.count + suite.tagSize
    let header = FrameHeader(
      type: type, frameLength: padded(unpadded), metadataLength: content.count, recordCount: 0,
      sequence: nextSequence, counter: counter, syncedUpTo: UInt32(syncedUpTo), previousCRC: previousCRC)
    let start = buffer.count
    _ = buffer.reserve(header.frameLength)
    buffer.appendZeros(Format.frameHeaderSize)
    header.storeAuthenticated(to: buffer.start + start)
    let tag = try seal(content, key: key, counter: counter, frameStart: start, tableLength: 0, in: buffer)
    buffer.appendZeros(header.frameLength - unpadded)
    finish(header, start: start, in: buffer, tagged: tag)
  }

  /// Appends an epoch frame: number, root key, salt and commitment in the clear, the tag made with the epoch's own key.
  mutating func appendEpoch(
    _ keys: EpochKeys, becomesCurrent: Bool, syncedUpTo: Int, to buffer: RawBuffer
  ) throws(StorageError) {
    let counter = try nextCounter(keys.metadata)
    let contentLength = EpochDescription.encodedSize
    let unpadded = Format.frameHeaderSize + contentLength + suite.tagSize
    let header = FrameHeader(
      type: .epoch, flags: becomesCurrent ? .becomesCurrent : [], frameLength: padded(unpadded),
      metadataLength: contentLength, recordCount: 0, sequence: nextSequence, counter: counter,
      syncedUpTo: UInt32(syncedUpTo), previousCRC: previousCRC)
    let start = buffer.count
    _ = buffer.reserve(header.frameLength)
    buffer.appendZeros(Format.frameHeaderSize)
    header.storeAuthenticated(to: buffer.start + start)
    keys.description.encode(to: buffer)
    let tagRoom = buffer.reserve(16).baseAddress.unsafelyUnwrapped
    let base = UnsafeRawPointer(buffer.start + start)
    try sealing { () throws(SealingError) in
      try link.withBytes { (link) throws(SealingError) in
        try keys.metadata.seal(
          counter: UInt64(counter), aad: UnsafeRawBufferPointer(start: base, count: FrameHeader.authenticatedSize),
          aad2: UnsafeRawBufferPointer(start: base + Format.frameHeaderSize, count: contentLength), aad3: link,
          plaintext: UnsafeRawBufferPointer(start: nil, count: 0),
          ciphertext: tagRoom, tag: tagRoom)
      }
    }
    buffer.commit(16)
    buffer.appendZeros(header.frameLength - unpadded)
    let tag = LinkTag(buffer.start + start + header.tagOffset(suite), size: 16)
    finish(header, start: start, in: buffer, tagged: tag)
    if !epochs.contains(where: { $0.number == keys.description.number }) { epochs.append(keys.description) }
    if becomesCurrent { currentEpoch = keys.description.number }
  }

  /// Appends a dictionary frame.
  mutating func appendDictionary(
    _ dictionary: CompressionDictionary, keys: EpochKeys?, syncedUpTo: Int, scratch: RawBuffer, to buffer: RawBuffer
  ) throws(StorageError) {
    scratch.removeAll()
    scratch.append(dictionary.number)
    scratch.append(dictionary.content)
    let place = DictionaryPlace(
      number: dictionary.number, epoch: currentEpoch, offset: UInt32(offset), link: previousTag)
    try appendSealed(.dictionary, content: scratch.bytes, key: keys?.dictionary, syncedUpTo: syncedUpTo, to: buffer)
    dictionaries.append(place)
  }

  /// Appends a commit's frame.
  ///
  /// - Returns: where the frame starts in the segment.
  mutating func appendCommit(
    _ commit: Commit, metadata: UnsafeRawBufferPointer, key: PurposeKey?, syncedUpTo: Int, to buffer: RawBuffer
  ) throws(StorageError) -> Int {
    let tableLength = commit.records.count * suite.tableEntrySize
    var blobs = 0
    for index in commit.records.indices { blobs += commit.records[index].blobLength }
    let unpadded = Format.frameHeaderSize + tableLength + metadata.count + suite.tagSize + blobs
    guard padded(unpadded) <= Format.maximumFrameSize, metadata.count <= Format.maximumMetadataSize else {
      throw StorageError(
        .limitExceeded,
        "A commit has up to \(Format.maximumFrameSize) bytes sealed; this one would have \(unpadded). Store it in parts."
      )
    }
    let counter = try nextCounter(key)
    let header = FrameHeader(
      type: .commit, frameLength: padded(unpadded), metadataLength: metadata.count,
      recordCount: commit.records.count, sequence: nextSequence, counter: counter, syncedUpTo: UInt32(syncedUpTo),
      previousCRC: previousCRC)
    let start = buffer.count
    let room = buffer.reserve(header.frameLength).baseAddress.unsafelyUnwrapped
    header.storeAuthenticated(to: room)
    var entry = room + Format.frameHeaderSize
    for index in commit.records.indices {
      entry.storeBytes(of: UInt32(commit.records[index].blobLength).littleEndian, as: UInt32.self)
      entry.storeBytes(of: commit.records[index].checksum.littleEndian, toByteOffset: 4, as: UInt32.self)
      commit.records[index].tag.store(to: entry + 8, size: suite.tagSize)
      entry += suite.tableEntrySize
    }
    buffer.commit(Format.frameHeaderSize + tableLength)
    let tag = try seal(metadata, key: key, counter: counter, frameStart: start, tableLength: tableLength, in: buffer)
    for index in commit.records.indices { buffer.append(commit.blob(of: commit.records[index])) }
    buffer.appendZeros(header.frameLength - unpadded)
    let frameOffset = offset
    finish(header, start: start, in: buffer, tagged: tag)
    return frameOffset
  }

  @inline(__always)
  private func nextCounter(_ key: PurposeKey?) throws(StorageError) -> UInt32 {
    guard let key else { return 0 }
    return UInt32(truncatingIfNeeded: try sealing { () throws(SealingError) in try key.nextCounter() })
  }

  /// Appends metadata and tag behind the header and table that stand at `frameStart`.
  private func seal(
    _ metadata: UnsafeRawBufferPointer, key: PurposeKey?, counter: UInt32, frameStart: Int, tableLength: Int,
    in buffer: RawBuffer
  ) throws(StorageError) -> LinkTag {
    let room = buffer.reserve(metadata.count + suite.tagSize).baseAddress.unsafelyUnwrapped
    let base = UnsafeRawPointer(buffer.start + frameStart)
    let head = UnsafeRawBufferPointer(start: base, count: FrameHeader.authenticatedSize)
    let table = UnsafeRawBufferPointer(start: base + Format.frameHeaderSize, count: tableLength)
    let tag: LinkTag
    if let key {
      do throws(SealingError) {
        try link.withBytes { (link) throws(SealingError) in
          try key.seal(
            counter: UInt64(counter), aad: head, aad2: table, aad3: link, plaintext: metadata, ciphertext: room,
            tag: room + metadata.count)
        }
      } catch {
        throw StorageError(error)
      }
      tag = LinkTag(room + metadata.count, size: 16)
    } else {
      tag = LinkTag(checksum: link.withBytes { plainTag(head, table, $0, metadata) })
      if let source = metadata.baseAddress { room.copyMemory(from: source, byteCount: metadata.count) }
      tag.store(to: room + metadata.count, size: 4)
    }
    buffer.commit(metadata.count + suite.tagSize)
    return tag
  }
}

extension EpochDescription {
  static let encodedSize = 72

  /// number u32 ‖ root key ID u32 ‖ salt 32 ‖ commitment 32.
  func encode(to buffer: RawBuffer) {
    buffer.append(number)
    buffer.append(rootKeyID)
    buffer.append(salt)
    buffer.append(commitment)
  }

  init?(_ reader: inout ByteReader) {
    let number = reader.read(UInt32.self)
    let rootKeyID = reader.read(UInt32.self)
    let salt = Array(reader.readBytes(32))
    let commitment = Array(reader.readBytes(32))
    if reader.failed || number == 0 { return nil }
    self.init(number: number, rootKeyID: rootKeyID, salt: salt, commitment: commitment)
  }
}

internal import Sealing

/// Goes through one segment, past whatever is damaged, and hands out the frames that can be read.
///
/// Behind damage the tag of the lost frame, which the next frame is bound to, may still stand somewhere in the lost bytes:
/// it is looked for there. Where it does not, a frame is read without that proof, and marked.
struct SegmentScan {
  /// A frame that can be read.
  struct OpenedFrame {
    var frame: Frame
    /// The opened metadata; valid until the scan moves on.
    var content: UnsafeRawBufferPointer
    /// Whether it is proven to follow what stands before it.
    var isLinked: Bool
    /// Whether frames are missing before it.
    var followsLoss: Bool
  }

  enum Step {
    case frame(OpenedFrame)
    case loss(LogLoss)
    /// The end; how many bytes of a commit that was never acknowledged stand there.
    case end(tornTail: Int)
  }

  let segment: Segment
  let keys: StoreKeys
  /// Where the next segment goes on; `nil` when this is the last one, or that is not known.
  let commitEnd: Int?
  /// Whether the log goes on in no other segment, be it lost or not.
  let isLast: Bool
  /// Up to where `HEAD` says that this segment is durable.
  let headEnd: Int?
  /// Whether commits are opened, or only passed over.
  let opensCommits: Bool

  private let reader: SegmentReader
  private var walker: FrameWalker
  private var epoch: UInt32 = 0
  /// Where the tag of a lost frame may stand: behind a loss, until a frame was read.
  private var lost: Range<Int>?
  /// Why nothing can be opened since the last epoch frame: its root key is not to be had.
  private var missingKey: String?
  /// A tag that is likely to be the one.
  private var likelyTag: LinkTag?
  private var lastSequence: UInt64
  private let plaintext = RawBuffer(capacity: 4096)
  private static let longestSearch = 256 << 10

  init(
    _ segment: Segment, hasHeader: Bool, limit: Int, commitEnd: Int?, isLast: Bool, headEnd: Int?, opensCommits: Bool,
    keys: StoreKeys
  ) {
    self.segment = segment
    self.keys = keys
    self.commitEnd = commitEnd
    self.isLast = isLast
    self.headEnd = headEnd
    self.opensCommits = opensCommits
    reader = SegmentReader(segment, limit: limit, usesMapping: false)
    lastSequence = segment.header.firstSequence &- 1
    if hasHeader {
      walker = FrameWalker(from: reader, checksBlobs: false)
    } else {
      walker = FrameWalker(
        reader: reader, offset: Format.pageSize, previousTag: LinkTag(), previousCRC: nil, nextSequence: nil,
        checksBlobs: false)
      lost = 0..<0
      lastSequence = 0
    }
  }

  private var suite: Suite { keys.suite }

  mutating func next() throws(StorageError) -> Step {
    switch try walker.peek() {
    case .frame(let frame):
      let followsLoss = lost != nil
      let opened = try open(frame)
      let offset = walker.offset
      let previousSequence = lastSequence
      lastSequence = frame.header.sequence
      walker.advance(over: frame)
      guard let opened else {
        lost = offset..<frame.end
        likelyTag = frame.tag(suite)
        return .loss(
          loss(
            offset, frame.end, missingKey ?? "A frame does not verify", type: frame.header.type,
            after: previousSequence,
            before: frame.header.sequence + 1))
      }
      lost = nil
      likelyTag = nil
      return .frame(
        OpenedFrame(frame: frame, content: opened.content, isLinked: opened.isLinked, followsLoss: followsLoss))
    case .stop(let stop): return try pass(stop)
    }
  }

  // MARK: Opening a frame

  private mutating func open(_ frame: Frame) throws(StorageError) -> (content: UnsafeRawBufferPointer, isLinked: Bool)?
  {
    if FrameType(rawValue: frame.header.type) == .commit, !opensCommits {
      return (UnsafeRawBufferPointer(start: nil, count: 0), true)
    }
    if FrameType(rawValue: frame.header.type) == .epoch { return openEpoch(frame) }
    let epochs = candidateEpochs(frame)
    for (index, number) in epochs.enumerated() {
      let key = try purposeKey(of: frame, epoch: number)
      if suite != .plain, key == nil { continue }
      let tags = [walker.previousTag] + (likelyTag.map { [$0] } ?? [])
      for tag in tags {
        let link = ChainLink(tag, suite: suite, headerHash: walker.isFirst ? segment.headerHash : nil)
        if frame.openMetadata(suite, key: key, link: link, into: plaintext) {
          epoch = number
          return (plaintext.bytes, true)
        }
      }
      if let lost, lost.count <= (index == 0 ? Self.longestSearch : Self.longestSearch / 64),
        try findLink(frame, key: key, in: lost)
      {
        epoch = number
        return (plaintext.bytes, true)
      }
    }
    // The tag of the frame before is lost. What follows is as it was written, by its checksum.
    guard lost != nil else { return nil }
    for number in epochs {
      let key = try purposeKey(of: frame, epoch: number)
      if suite != .plain, key == nil { continue }
      if readsUnproven(frame, key: key) {
        epoch = number
        return (plaintext.bytes, false)
      }
    }
    return nil
  }

  /// The epochs that a frame's metadata may be sealed in; behind a loss an epoch frame may be among what is lost.
  private func candidateEpochs(_ frame: Frame) -> [UInt32] {
    guard let epochs = keys.epochs else { return [0] }
    let others = lost == nil ? [] : epochs.descriptions.map(\.number).reversed().filter { $0 != epoch }
    return (epoch == 0 ? [] : [epoch]) + others
  }

  private func purposeKey(of frame: Frame, epoch: UInt32) throws(StorageError) -> PurposeKey? {
    guard let epochs = keys.epochs else { return nil }
    do throws(SealingError) {
      let keys = try epochs.keys(epoch)
      return FrameType(rawValue: frame.header.type) == .dictionary ? keys.dictionary : keys.metadata
    } catch {
      guard [.epochUnknown, .keyUnavailable, .wrongKey].contains(error.code) else {
        throw StorageError(error, file: segment.name, offset: UInt64(frame.offset))
      }
      return nil
    }
  }

  /// Looks among the lost bytes for the tag that the frame is bound to.
  private func findLink(_ frame: Frame, key: PurposeKey?, in lost: Range<Int>) throws(StorageError) -> Bool {
    guard lost.count >= suite.tagSize else { return false }
    let bytes = try content(of: lost)
    return bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, bytes.count == lost.count else { return false }
      for offset in 0...(bytes.count - suite.tagSize) {
        let link = ChainLink(LinkTag(base + offset, size: suite.tagSize), suite: suite, headerHash: nil)
        if frame.openMetadata(suite, key: key, link: link, into: plaintext) { return true }
      }
      return false
    }
  }

  /// A copy of lost bytes, read by a reader of its own: the walker's holds the frame.
  private func content(of range: Range<Int>) throws(StorageError) -> [UInt8] {
    let buffer = RawBuffer(capacity: max(64, range.count))
    let room = buffer.reserve(range.count)
    buffer.commit(
      try io { () throws(SystemError) in try segment.file.readFully(into: room, at: UInt64(range.lowerBound)) })
    return Array(buffer.bytes)
  }

  private func readsUnproven(_ frame: Frame, key: PurposeKey?) -> Bool {
    let metadata = frame.metadata(suite)
    plaintext.removeAll()
    let room = plaintext.reserve(metadata.count)
    if let key {
      do throws(SealingError) {
        try key.decipherUnproven(
          counter: UInt64(frame.header.counter), ciphertext: metadata,
          plaintext: room.baseAddress.unsafelyUnwrapped)
      } catch {
        return false
      }
      plaintext.commit(metadata.count)
    } else {
      plaintext.append(metadata)
    }
    switch FrameType(rawValue: frame.header.type) {
    case .commit:
      var parsed = CommitMetadata()
      return parsed.parse(
        plaintext.bytes, recordCount: frame.header.recordCount, names: Int(UInt32.max), partitions: Int(UInt32.max))
    case .opening:
      var fields = ByteReader(plaintext.bytes)
      return LogState(&fields) != nil && fields.isAtEnd
    case .dictionary: return LogReplayer.dictionary(plaintext.bytes) != nil
    default: return false
    }
  }

  private mutating func openEpoch(_ frame: Frame) -> (content: UnsafeRawBufferPointer, isLinked: Bool)? {
    guard let epochs = keys.epochs else { return nil }
    let content = frame.metadata(suite)
    var fields = ByteReader(content)
    guard let description = EpochDescription(&fields), fields.isAtEnd else { return nil }
    missingKey = nil
    do throws(SealingError) {
      // The commitment proves that it is the key's.
      try epochs.register(description)
      let tag = likelyTag ?? walker.previousTag
      let link = ChainLink(tag, suite: suite, headerHash: walker.isFirst ? segment.headerHash : nil)
      let isLinked = frame.verifiesClear(suite, key: try epochs.keys(description.number).metadata, link: link)
      return isLinked || lost != nil ? (content, isLinked) : nil
    } catch {
      if error.code == .keyUnavailable { missingKey = error.message }
      return nil
    }
  }

  /// The metadata of the frames that follow is sealed in this epoch.
  mutating func becomeCurrent(_ number: UInt32) { epoch = number }

  // MARK: Passing over what cannot be read

  private mutating func pass(_ stop: WalkStop) throws(StorageError) -> Step {
    let start = walker.offset
    let limit = reader.limit
    let required = [commitEnd, headEnd].compactMap { $0 }.max() ?? 0
    if stop == .end || (stop == .zeros && isZero(from: start, to: limit)) {
      guard required > start, !ended else { return .end(tornTail: 0) }
      ended = true
      return .loss(
        loss(
          start, required, "The segment ends before its log does", type: nil, after: lastSequence, before: nil))
    }
    if start >= required {
      // Behind the last commit stands a footer only: one that was torn is written again. Where the next segment does not
      // say any more which commit was the last, more of them may follow. At the end of the log, what nothing proves
      // durable was never acknowledged.
      guard try isLast ? isProven(start) : commitEnd == nil else {
        return .end(tornTail: isLast ? limit - start : 0)
      }
    }
    let what = if case .invalid(let text) = stop { text } else { "There are zeros where a frame should be" }
    // A frame whose header is right says itself where the next one is, and what it was.
    var header: FrameHeader?
    var tag: LinkTag?
    if let base = try reader.bytes(at: start, count: Format.frameHeaderSize).full(Format.frameHeaderSize) {
      header = FrameHeader(base, suite: suite)
    }
    var resumed: Int?
    if let header, start + header.frameLength <= limit {
      let end = start + header.frameLength
      let bytes = try reader.bytes(at: start, count: header.frameLength)
      if let base = bytes.full(header.frameLength) {
        tag = LinkTag(base + header.tagOffset(suite), size: suite.tagSize)
      }
      if end == limit || end == commitEnd { resumed = end } else if try isFrame(at: end) { resumed = end }
    }
    let next = if let resumed { resumed } else { try nextFrame(behind: start) ?? max(required, limit) }
    let sequence: UInt64? = next < limit ? try self.sequence(at: next) : nil
    let previous = lastSequence
    if let sequence { lastSequence = sequence &- 1 }
    lost = start..<max(next, start)
    likelyTag = tag
    walker = FrameWalker(
      reader: reader, offset: next, previousTag: tag ?? LinkTag(), previousCRC: nil, nextSequence: nil,
      checksBlobs: false)
    if next >= limit { ended = true }
    let isEpoch = findEpoch(in: start..<min(next, limit))
    return .loss(
      loss(
        start, next, what, type: header?.type ?? (isEpoch ? FrameType.epoch.rawValue : nil),
        frameEnd: header.map { start + $0.frameLength }, after: previous, before: sequence))
  }

  /// What an epoch frame says may be whole where the frame is not; its commitment proves it.
  ///
  /// - Returns: whether there is one.
  private func findEpoch(in lost: Range<Int>) -> Bool {
    guard let epochs = keys.epochs, let keyring = keys.keyring, lost.count >= EpochDescription.encodedSize,
      lost.count <= Self.longestSearch / 64, let bytes = try? content(of: lost),
      bytes.count >= EpochDescription.encodedSize
    else { return false }
    var isFound = false
    for offset in 0...(bytes.count - EpochDescription.encodedSize) {
      let description = bytes[offset...].withUnsafeBytes { part in
        var fields = ByteReader(part)
        return EpochDescription(&fields)
      }
      guard let description, keyring.hasRootKey(description.rootKeyID),
        (try? epochs.register(description)) != nil
      else { continue }
      isFound = true
    }
    return isFound
  }

  /// Whether the end was told already.
  private var ended = false

  private func loss(
    _ start: Int, _ end: Int, _ what: String, type: UInt8?, frameEnd: Int? = nil, after previous: UInt64,
    before next: UInt64?
  ) -> LogLoss {
    var loss = LogLoss(
      file: segment.name, offset: UInt64(start), length: UInt64(max(0, end - start)), what: what)
    if let type, let known = FrameType(rawValue: type), known != .commit,
      isFrameAlone(end, behind: frameEnd, previous, next)
    {
      loss.losesContent = false
    }
    // The first frames of a segment are the store's own.
    let own: UInt64 = suite == .plain ? 1 : 2
    if let next, next <= segment.header.firstSequence &+ own { loss.losesContent = false }
    if let commitEnd, start >= commitEnd { loss.losesContent = false }
    return loss
  }

  /// Whether one frame is lost and no other: by the numbers around it, or, where none follows, by its own end.
  private func isFrameAlone(_ end: Int, behind frameEnd: Int?, _ previous: UInt64, _ next: UInt64?) -> Bool {
    guard let next else { return frameEnd == end }
    return next == previous &+ 2
  }

  private func isFrame(at offset: Int) throws(StorageError) -> Bool {
    let walker = FrameWalker(
      reader: reader, offset: offset, previousTag: LinkTag(), previousCRC: nil, nextSequence: nil, checksBlobs: false)
    guard case .frame(let frame) = try walker.peek() else { return false }
    return frame.header.sequence > lastSequence
  }

  private func sequence(at offset: Int) throws(StorageError) -> UInt64? {
    guard let base = try reader.bytes(at: offset, count: Format.frameHeaderSize).full(Format.frameHeaderSize) else {
      return nil
    }
    return FrameHeader(base, suite: suite)?.sequence
  }

  /// The next place where a whole frame stands.
  private func nextFrame(behind start: Int) throws(StorageError) -> Int? {
    var offset = (start + segment.alignment) & ~(segment.alignment - 1)
    while offset + Format.frameHeaderSize <= reader.limit {
      guard let base = try reader.bytes(at: offset, count: Format.frameHeaderSize).full(Format.frameHeaderSize) else {
        return nil
      }
      let word = UInt32(littleEndian: base.loadUnaligned(as: UInt32.self))
      if word & 0x00FF_FFFF == FrameHeader.magic, FrameHeader(base, suite: suite) != nil, try isFrame(at: offset) {
        return offset
      }
      offset += segment.alignment
    }
    return nil
  }

  /// Whether a frame behind a place says that the place was durable.
  private func isProven(_ start: Int) throws(StorageError) -> Bool {
    var offset = (start + segment.alignment) & ~(segment.alignment - 1)
    while offset + Format.frameHeaderSize <= reader.limit {
      guard let base = try reader.bytes(at: offset, count: Format.frameHeaderSize).full(Format.frameHeaderSize) else {
        return false
      }
      let word = UInt32(littleEndian: base.loadUnaligned(as: UInt32.self))
      if word & 0x00FF_FFFF == FrameHeader.magic, let header = FrameHeader(base, suite: suite),
        header.provesDurable(start, standingAt: offset, behind: lastSequence &+ 1)
      {
        return true
      }
      offset += segment.alignment
    }
    return false
  }

  private func isZero(from start: Int, to end: Int) -> Bool {
    var offset = start
    while offset < end {
      guard let chunk = try? reader.bytes(at: offset, count: 256 << 10), chunk.count > 0 else { return true }
      guard chunk.isZero else { return false }
      offset += chunk.count
    }
    return true
  }
}

extension UnsafeRawBufferPointer {
  /// The start, if there are that many bytes.
  fileprivate func full(_ count: Int) -> UnsafeRawPointer? { self.count == count ? baseAddress : nil }
}

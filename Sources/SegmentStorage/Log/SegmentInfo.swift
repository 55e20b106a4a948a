internal import Sealing

/// What is known of a segment up to one place in it: enough to read its frames, and to go on behind them.
///
/// The footer of a finished segment holds it, sealed; so does every run, for the part of the segment that it covers.
struct SegmentInfo: Equatable, Sendable {
  /// Behind the last frame covered.
  var end: Int
  var lastTag: LinkTag
  var lastCRC: UInt32
  var nextSequence: UInt64
  var epochs: [EpochDescription] = []
  var currentEpoch: UInt32 = 0
  var dictionaries: [FrameBuilder.DictionaryPlace] = []
  /// The heads at the segment's opening: which notification IDs stand in it.
  var headsAtOpening: [Int64] = []
  var state = LogState()

  func encode(to buffer: RawBuffer) {
    buffer.append(UInt32(end))
    buffer.append(lastTag.low)
    buffer.append(lastTag.high)
    buffer.append(lastCRC)
    buffer.append(nextSequence)
    buffer.append(currentEpoch)
    buffer.appendVarint(UInt64(epochs.count))
    for epoch in epochs { epoch.encode(to: buffer) }
    buffer.appendVarint(UInt64(dictionaries.count))
    for place in dictionaries {
      buffer.append(place.number)
      buffer.append(place.epoch)
      buffer.append(place.offset)
      buffer.append(place.link.low)
      buffer.append(place.link.high)
    }
    buffer.appendVarint(UInt64(headsAtOpening.count))
    for head in headsAtOpening { buffer.appendVarint(UInt64(head)) }
    state.encode(to: buffer)
  }

  init(end: Int, lastTag: LinkTag, lastCRC: UInt32, nextSequence: UInt64) {
    self.end = end
    self.lastTag = lastTag
    self.lastCRC = lastCRC
    self.nextSequence = nextSequence
  }

  /// Reads what ``encode(to:)`` wrote; `nil` when anything does not fit.
  init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = ByteReader(bytes)
    end = Int(reader.read(UInt32.self))
    lastTag = LinkTag()
    lastTag.low = reader.read()
    lastTag.high = reader.read()
    lastCRC = reader.read()
    nextSequence = reader.read()
    currentEpoch = reader.read()
    for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
      guard let epoch = EpochDescription(&reader) else { return nil }
      epochs.append(epoch)
    }
    for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
      var place = FrameBuilder.DictionaryPlace(
        number: reader.read(), epoch: reader.read(), offset: reader.read(), link: LinkTag())
      place.link.low = reader.read()
      place.link.high = reader.read()
      dictionaries.append(place)
    }
    for _ in 0..<reader.readCount(atMost: reader.remaining) where !reader.failed {
      headsAtOpening.append(Int64(reader.readCount(atMost: .max)))
    }
    guard let state = LogState(&reader), reader.isAtEnd, nextSequence < 1 << 48 else { return nil }
    self.state = state
  }
}

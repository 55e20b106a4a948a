import CLibcrypto

/// A session that seals many states, keeping one cipher context, one compressor and its buffers.
///
/// Not thread-safe: it belongs to one thread at a time. It follows the store: a retired or aged epoch is left, a new
/// dictionary taken up, between two calls. Memory grows with the largest state sealed and is erased when the session goes.
public final class StateWriter {
  private let epochs: EpochRegistry?
  private let dictionaries: DictionaryRegistry
  private let compressor = Compressor()
  // Half a page more than the next: buffers a whole number of pages apart make the processor's loads wait for stores.
  private var plaintext = ScratchBuffer(capacity: 6144)
  private var packed = ScratchBuffer(capacity: 4096)
  private let associatedData: UnsafeMutableRawPointer

  // The epoch in use: its keys, and what each call needs of them at hand, without counting references.
  private var keys: EpochKeys?
  private var stateKey: Unmanaged<PurposeKey>?
  private var cipher: OpaquePointer?
  private var epoch: UInt32 = 0
  private var expiry: UInt64 = 0
  private var generation: UInt64 = 0
  private var dictionary: CompressionDictionary?

  init(epochs: EpochRegistry?, dictionaries: DictionaryRegistry) {
    self.epochs = epochs
    self.dictionaries = dictionaries
    associatedData = .allocate(byteCount: AssociatedData.capacity, alignment: 16)
  }

  deinit {
    releaseCipher()
    associatedData.deallocate()
  }

  /// Seals one state, as `StateCodec.seal`.
  public func seal(
    topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, context: borrowing StateContext,
    blob: UnsafeMutableRawBufferPointer, tag: UnsafeMutableRawPointer
  ) throws(SealingError) -> SealedStateInfo {
    guard topic.count <= StateCodec.maximumTopicLength, state.count <= StateCodec.maximumStateLength,
      context.application.count <= AssociatedData.mostApplication
    else { throw Self.tooLarge() }
    if let observer = dictionaries.observer, context.role == .event {
      observer.observe(
        originatorHigh: context.originatorHigh, originatorLow: context.originatorLow, topic: topic, state: state)
    }

    // Topic and state lie together, since they are compressed together.
    let count = Varint.length(of: UInt64(topic.count)) + topic.count + state.count
    plaintext.reserve(count)
    let plain = plaintext.start
    let header = Varint.write(UInt64(topic.count), to: plain)
    if let start = topic.baseAddress { (plain + header).copyMemory(from: start, byteCount: topic.count) }
    if let start = state.baseAddress {
      (plain + header + topic.count).copyMemory(from: start, byteCount: state.count)
    }

    var prefix = StatePrefix(
      compression: .none, isLong: false, isSealed: epochs != nil, dictionary: 0, epoch: 0, counter: 0)
    let body = compress(UnsafeRawBufferPointer(start: plain, count: count), &prefix)

    guard blob.count >= StatePrefix.maximumLength + body.count, let output = blob.baseAddress else {
      throw Self.bufferTooSmall()
    }
    let prefixLength: Int
    if prefix.isSealed {
      let cipher = try takeCounter(&prefix)
      prefixLength = prefix.write(to: output)
      let length = writeAssociatedData(context, output, prefixLength)
      try seal(
        body, with: cipher, prefix.counter, aad: UnsafeRawBufferPointer(start: associatedData, count: length),
        into: output + prefixLength, tag)
    } else {
      prefixLength = prefix.write(to: output)
      let length = writeAssociatedData(context, output, prefixLength)
      if let start = body.baseAddress { (output + prefixLength).copyMemory(from: start, byteCount: body.count) }
      let bound = CRC32C.checksum(UnsafeRawBufferPointer(start: associatedData, count: length))
      tag.storeBytes(of: CRC32C.checksum(body, seed: bound).littleEndian, as: UInt32.self)
    }
    return SealedStateInfo(length: prefixLength + body.count, epoch: prefix.epoch, dictionary: prefix.dictionary)
  }

  /// Gives memory back that a large state took.
  func shrink() {
    plaintext.shrink(to: StateReader.idleCapacity)
    packed.shrink(to: StateReader.idleCapacity)
  }

  /// The plaintext compressed, if that saves a sixteenth, else as it is; `prefix` says which.
  @inline(__always)
  private func compress(_ plain: UnsafeRawBufferPointer, _ prefix: inout StatePrefix) -> UnsafeRawBufferPointer {
    let isLong = plain.count > StateCodec.plaintextInShortForm
    let lead = isLong ? 4 : 0
    let room = LZ4.bound(plain.count)
    packed.reserve(room + lead)
    let output = packed.start
    let dictionary = currentDictionary()
    let length = compressor.compress(
      plain, into: UnsafeMutableRawBufferPointer(start: output + lead, count: room), dictionary: dictionary)
    guard length > 0, length + lead <= plain.count - max(1, (plain.count + 15) / 16) else { return plain }
    if isLong { output.storeBytes(of: UInt32(truncatingIfNeeded: plain.count).littleEndian, as: UInt32.self) }
    prefix.isLong = isLong
    prefix.compression = dictionary == nil ? .lz4 : .lz4WithDictionary
    prefix.dictionary = dictionary?.number ?? 0
    return UnsafeRawBufferPointer(start: output, count: lead + length)
  }

  @inline(__always)
  private func currentDictionary() -> CompressionDictionary? {
    let number = dictionaries.currentNumber
    if number == 0 { return nil }
    if let dictionary, dictionary.number == number { return dictionary }
    dictionary = dictionaries.current
    return dictionary
  }

  @inline(__always)
  private func writeAssociatedData(
    _ context: borrowing StateContext, _ prefix: UnsafeMutableRawPointer, _ prefixLength: Int
  ) -> Int {
    let length = AssociatedData.write(context, to: associatedData)
    (associatedData + length).copyMemory(from: prefix, byteCount: prefixLength)
    return length + prefixLength
  }

  @inline(__always)
  private func seal(
    _ body: UnsafeRawBufferPointer, with cipher: OpaquePointer, _ counter: UInt64, aad: UnsafeRawBufferPointer,
    into output: UnsafeMutableRawPointer, _ tag: UnsafeMutableRawPointer
  ) throws(SealingError) {
    guard let stateKey else { throw .cryptoFailure("no key") }
    let nonce = stateKey._withUnsafeGuaranteedRef { $0.nonce(of: counter) }
    try PurposeKey.seal(with: cipher, nonce: nonce, aad: aad, plaintext: body, ciphertext: output, tag: tag)
  }

  /// A context of the current epoch's key; epoch and counter go into `prefix`.
  @inline(__always)
  private func takeCounter(_ prefix: inout StatePrefix) throws(SealingError) -> OpaquePointer {
    if let cipher, let stateKey, let epochs, epochs.isCurrent(generation: generation, expiry: expiry),
      let counter = stateKey._withUnsafeGuaranteedRef({ $0.counterIfAvailable() })
    {
      prefix.epoch = epoch
      prefix.counter = counter
      return cipher
    }
    return try takeCounterInNewEpoch(&prefix)
  }

  @inline(never)
  private func takeCounterInNewEpoch(_ prefix: inout StatePrefix) throws(SealingError) -> OpaquePointer {
    releaseCipher()
    guard let epochs else { throw .cryptoFailure("a sealed store without epochs") }
    let (keys, generation) = try epochs.currentWithGeneration()
    prefix.epoch = keys.description.number
    prefix.counter = try keys.state.nextCounter()
    let cipher = try keys.state.cipher.checkOut(.seal)
    self.keys = keys
    stateKey = Unmanaged.passUnretained(keys.state)
    self.cipher = cipher
    epoch = keys.description.number
    expiry = keys.expiry
    self.generation = generation
    return cipher
  }

  private func releaseCipher() {
    if let keys, let cipher { keys.state.cipher.checkIn(cipher, .seal) }
    stateKey = nil
    keys = nil
    cipher = nil
  }

  @inline(never)
  private static func tooLarge() -> SealingError {
    SealingError(
      .tooLarge, "a topic has at most 1,024 bytes, a state 16 MiB, an application's name 255 bytes; split the state")
  }

  @inline(never)
  private static func bufferTooSmall() -> SealingError {
    SealingError(.tooLarge, "the buffer for a blob is smaller than maximumBlobLength(topicLength:stateLength:)")
  }
}

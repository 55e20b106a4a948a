import CLibcrypto

/// A topic and a state that a reader opened. The bytes are the reader's, or the blob's: valid until the reader opens the
/// next one, and no longer than the blob.
public struct OpenedState {
  /// The topic, UTF-8.
  public let topic: UnsafeRawBufferPointer
  /// The state.
  public let state: UnsafeRawBufferPointer
}

/// A session that opens many blobs, keeping one cipher context and its buffers.
///
/// Not thread-safe: it belongs to one thread at a time. Memory grows with the largest state opened, at most two buffers of
/// 16 MiB and a little, and is erased when the session goes.
public final class StateReader {
  private let epochs: EpochRegistry?
  private let isSealed: Bool
  private let dictionaries: DictionaryRegistry
  private var body = ScratchBuffer(capacity: 4096)
  private var plaintext = ScratchBuffer(capacity: StateCodec.plaintextInShortForm)
  private let associatedData: UnsafeMutableRawPointer

  // The epoch in use: its keys, and what each call needs of them at hand, without counting references.
  private var keys: EpochKeys?
  private var stateKey: Unmanaged<PurposeKey>?
  private var cipher: OpaquePointer?
  private var epoch: UInt32 = 0
  private var dictionary: CompressionDictionary?

  /// What an idle session keeps of each buffer.
  static let idleCapacity = 256 << 10

  init(epochs: EpochRegistry?, dictionaries: DictionaryRegistry) {
    self.epochs = epochs
    isSealed = epochs != nil
    self.dictionaries = dictionaries
    associatedData = .allocate(byteCount: AssociatedData.capacity, alignment: 16)
  }

  deinit {
    releaseCipher()
    associatedData.deallocate()
  }

  /// Opens one blob and calls `body` with topic and state, as `StateCodec.open`.
  public func open<R, E: Error>(
    blob: UnsafeRawBufferPointer, tag: UnsafeRawPointer, context: borrowing StateContext,
    _ body: (_ topic: UnsafeRawBufferPointer, _ state: UnsafeRawBufferPointer) throws(E) -> R
  ) throws -> R {
    let opened = try open(blob: blob, tag: tag, context: context)
    return try body(opened.topic, opened.state)
  }

  /// Opens one blob; the result is valid until the next call. `tag` points at 16 bytes in a sealed store, 4 in a plain one.
  ///
  /// Some 350 ns for 300 bytes with a dictionary; allocates nothing unless a buffer has to grow. Every length is checked
  /// before it is used: damaged bytes throw, whatever they are.
  public func open(
    blob: UnsafeRawBufferPointer, tag: UnsafeRawPointer, context: borrowing StateContext
  ) throws(SealingError) -> OpenedState {
    let (prefix, prefixLength) = try StatePrefix.read(blob)
    let sealed = UnsafeRawBufferPointer(rebasing: blob[prefixLength...])
    guard sealed.count <= StateCodec.maximumPlaintextLength,
      context.application.count <= AssociatedData.mostApplication,
      let start = blob.baseAddress
    else { throw .malformed("a blob or an application's name is larger than any can be") }
    let bound = AssociatedData.write(context, to: associatedData)
    (associatedData + bound).copyMemory(from: start, byteCount: prefixLength)
    let aad = UnsafeRawBufferPointer(start: associatedData, count: bound + prefixLength)

    let packed: UnsafeRawBufferPointer
    if isSealed {
      guard prefix.isSealed else { throw .malformed("a plain state stands in a sealed store") }
      if epoch != prefix.epoch { try changeEpoch(to: prefix.epoch) }
      body.reserve(sealed.count)
      let output = body.start
      guard let stateKey, let cipher else { throw .cryptoFailure("no key") }
      let nonce = stateKey._withUnsafeGuaranteedRef { $0.nonce(of: prefix.counter) }
      try PurposeKey.open(with: cipher, nonce: nonce, aad: aad, ciphertext: sealed, tag: tag, plaintext: output)
      packed = UnsafeRawBufferPointer(start: output, count: sealed.count)
    } else {
      guard !prefix.isSealed else { throw .malformed("a sealed state stands in a store that was opened without a key") }
      let checksum = CRC32C.checksum(sealed, seed: CRC32C.checksum(aad))
      guard UInt32(littleEndian: tag.loadUnaligned(as: UInt32.self)) == checksum else { throw .authenticationFailed() }
      packed = sealed
    }
    return try Self.split(decompress(packed, prefix))
  }

  /// Gives memory back that a large state took.
  func shrink() {
    body.shrink(to: Self.idleCapacity)
    plaintext.shrink(to: Self.idleCapacity)
  }

  @inline(__always)
  private func decompress(
    _ packed: UnsafeRawBufferPointer, _ prefix: StatePrefix
  ) throws(SealingError) -> UnsafeRawBufferPointer {
    if prefix.compression == .none { return packed }
    var block = packed
    var room = StateCodec.plaintextInShortForm
    if prefix.isLong {
      guard packed.count >= 4 else { throw .malformed("a long state has no length") }
      room = Int(UInt32(littleEndian: packed.loadUnaligned(as: UInt32.self)))
      guard room > StateCodec.plaintextInShortForm, room <= StateCodec.maximumPlaintextLength else {
        throw .malformed("a long state's length is too small or too large")
      }
      block = UnsafeRawBufferPointer(rebasing: packed[4...])
      plaintext.reserve(room)
    }
    let output = UnsafeMutableRawBufferPointer(start: plaintext.start, count: room)
    let length: Int
    if prefix.compression == .lz4WithDictionary {
      length = LZ4.decompress(block, into: output, dictionary: try dictionary(prefix.dictionary))
    } else {
      length = LZ4.decompress(block, into: output)
    }
    guard length >= 0, !prefix.isLong || length == room else {
      throw SealingError(.decompressionFailed, "a state's LZ4 block is damaged")
    }
    return UnsafeRawBufferPointer(start: output.baseAddress, count: length)
  }

  /// Topic and state of a plaintext.
  @inline(__always)
  private static func split(_ plain: UnsafeRawBufferPointer) throws(SealingError) -> OpenedState {
    var offset = 0
    guard let value = Varint.read(plain, &offset), value <= UInt64(StateCodec.maximumTopicLength),
      Int(value) <= plain.count - offset,
      plain.count - offset - Int(value) <= StateCodec.maximumStateLength
    else { throw .malformed("a state's topic or state is longer than any can be") }
    let end = offset + Int(value)
    return OpenedState(
      topic: UnsafeRawBufferPointer(rebasing: plain[offset..<end]),
      state: UnsafeRawBufferPointer(rebasing: plain[end...]))
  }

  @inline(__always)
  private func dictionary(_ number: UInt32) throws(SealingError) -> CompressionDictionary {
    if let dictionary, dictionary.number == number { return dictionary }
    guard let found = dictionaries.dictionary(number) else {
      throw SealingError(
        .dictionaryUnknown, "dictionary \(number) is not in the files read; its frame or segment is missing")
    }
    dictionary = found
    return found
  }

  @inline(never)
  private func changeEpoch(to number: UInt32) throws(SealingError) {
    guard let epochs else { throw .cryptoFailure("a sealed store without epochs") }
    let found = try epochs.keys(number)
    let context = try found.state.cipher.checkOut(.open)
    releaseCipher()
    keys = found
    stateKey = Unmanaged.passUnretained(found.state)
    cipher = context
    epoch = number
  }

  private func releaseCipher() {
    if let keys, let cipher { keys.state.cipher.checkIn(cipher, .open) }
    stateKey = nil
    keys = nil
    cipher = nil
    epoch = 0
  }
}

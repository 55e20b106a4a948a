/// Seals and opens the states of one store: topic and state compressed together, then sealed under the current epoch's key.
///
/// ```
/// blob = clear prefix · body          the tag stands apart, in the frame's record table
/// body = sealed or plain: [u32 length, if long] · LZ4 block   or   plaintext
/// plaintext = varint length of the topic · topic · state
/// ```
/// In a sealed store the tag is AES-GCM's, 16 bytes; in a plain one it is a CRC-32C of associated data and body, 4 bytes.
/// Compression is used only where it saves a sixteenth. A sealed store takes no plain blob, and a plain one no sealed blob.
///
/// Thread-safe. The hot paths are its sessions, `StateWriter` and `StateReader`, which belong to one thread at a time and
/// keep buffers and a cipher context; `withWriter` and `withReader` lend them from a pool.
public final class StateCodec: Sendable {
  /// The longest topic, in bytes.
  public static let maximumTopicLength = 1024
  /// The longest state, in bytes.
  public static let maximumStateLength = 16 << 20

  static let plaintextInShortForm = 64 << 10
  static let maximumPlaintextLength = 2 + maximumTopicLength + maximumStateLength

  let epochs: EpochRegistry?
  let dictionaries: DictionaryRegistry
  private let writers = ObjectPool<StateWriter>(keeping: 16)
  private let readers = ObjectPool<StateReader>(keeping: 16)

  /// A codec over a store's epochs, or a plain one without.
  public init(epochs: EpochRegistry?, dictionaries: DictionaryRegistry) {
    self.epochs = epochs
    self.dictionaries = dictionaries
  }

  /// Whether states are sealed.
  public var isSealed: Bool { epochs != nil }

  /// The length of a tag: 16 bytes sealed, 4 plain.
  public var tagLength: Int { isSealed ? 16 : 4 }

  /// The most bytes that a blob of a topic and a state can have.
  public func maximumBlobLength(topicLength: Int, stateLength: Int) -> Int {
    StatePrefix.maximumLength + 2 + topicLength + stateLength
  }

  /// Seals one state. `blob` has room for `maximumBlobLength`, `tag` for `tagLength` bytes.
  ///
  /// About a microsecond for 300 bytes; allocates nothing once the pool is warm. Throws `tooLarge` for a topic above
  /// 1,024 bytes, a state above 16 MiB, an application above 255 bytes, or a buffer that is too small;
  /// `epochExhausted`, `keyUnavailable`, `cryptoFailure`.
  public func seal(
    topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, context: borrowing StateContext,
    blob: UnsafeMutableRawBufferPointer, tag: UnsafeMutableRawPointer
  ) throws(SealingError) -> SealedStateInfo {
    let writer = writers.take() ?? makeWriter()
    defer { giveBack(writer) }
    return try writer.seal(topic: topic, state: state, context: context, blob: blob, tag: tag)
  }

  /// Opens one blob and calls `body` with topic and state, which are valid during the call only.
  ///
  /// Throws `authenticationFailed` for changed or moved bytes, `epochUnknown`, `dictionaryUnknown`, `malformed`,
  /// `decompressionFailed`, `keyUnavailable`, `wrongKey`, and what `body` throws.
  public func open<R, E: Error>(
    blob: UnsafeRawBufferPointer, tag: UnsafeRawPointer, context: borrowing StateContext,
    _ body: (_ topic: UnsafeRawBufferPointer, _ state: UnsafeRawBufferPointer) throws(E) -> R
  ) throws -> R {
    let reader = readers.take() ?? makeReader()
    defer { giveBack(reader) }
    let opened = try reader.open(blob: blob, tag: tag, context: context)
    return try body(opened.topic, opened.state)
  }

  /// What a blob's clear prefix says, without opening it. Throws `malformed`; never reads beyond the blob.
  public static func info(ofBlob blob: UnsafeRawBufferPointer) throws(SealingError) -> SealedStateInfo {
    let (prefix, length) = try StatePrefix.read(blob)
    guard blob.count - length <= maximumPlaintextLength else { throw .malformed("a blob is larger than any state") }
    return SealedStateInfo(length: blob.count, epoch: prefix.epoch, dictionary: prefix.dictionary)
  }

  /// A session for reading many blobs in one thread.
  public func makeReader() -> StateReader { StateReader(epochs: epochs, dictionaries: dictionaries) }

  /// A session for sealing many states in one thread.
  public func makeWriter() -> StateWriter { StateWriter(epochs: epochs, dictionaries: dictionaries) }

  /// Lends a reading session from the pool; it must not be kept.
  public func withReader<R, E: Error>(_ body: (StateReader) throws(E) -> R) throws(E) -> R {
    let reader = readers.take() ?? makeReader()
    defer { giveBack(reader) }
    return try body(reader)
  }

  /// Lends a writing session from the pool; it must not be kept.
  public func withWriter<R, E: Error>(_ body: (StateWriter) throws(E) -> R) throws(E) -> R {
    let writer = writers.take() ?? makeWriter()
    defer { giveBack(writer) }
    return try body(writer)
  }

  private func giveBack(_ reader: StateReader) {
    reader.shrink()
    readers.give(reader)
  }

  private func giveBack(_ writer: StateWriter) {
    writer.shrink()
    writers.give(writer)
  }
}

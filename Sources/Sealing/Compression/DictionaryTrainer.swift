import CLibcrypto

/// Makes a compression dictionary from samples of states: strings that many originators share.
///
/// Every string in the dictionary was seen, as a whole and byte for byte, with at least `minimumOriginators` originators,
/// so a person's name or an identifier does not get into it: keys, enumeration values, topics do. `train` finds, at every
/// place of every sample, the longest string from there that enough originators have, cuts the samples into such strings,
/// and keeps those that save the most.
///
/// Adding costs a copy of the sample. The copies are erased when the trainer goes. Not thread-safe.
public struct DictionaryTrainer {
  /// The largest dictionary, in bytes.
  public let maximumSize: Int
  /// With how many originators a string must have been seen.
  public let minimumOriginators: Int

  private var samples = Samples()

  /// A trainer for a dictionary of at most `maximumSize` bytes (64 KiB is also LZ4's limit).
  public init(maximumSize: Int = 64 << 10, minimumOriginators: Int = 8) {
    self.maximumSize = min(max(0, maximumSize), CompressionDictionary.maximumLength)
    self.minimumOriginators = max(1, minimumOriginators)
  }

  /// The number of samples added.
  public var sampleCount: Int { samples.spans.count }
  /// The bytes of all samples.
  public var sampleBytes: Int { samples.count }
  /// The number of different originators among the samples.
  public var originatorCount: Int { Set(samples.spans.map(\.originator)).count }

  /// Adds a sample of an originator, which is named by a hash. Beyond 4 MiB of samples nothing more is taken.
  ///
  /// A sample is what the codec compresses; `add(originator:topic:state:)` makes it of its parts.
  public mutating func add(originator: UInt64, sample: UnsafeRawBufferPointer) {
    own()
    samples.add(originator, sample)
  }

  /// Adds a topic and a state, laid out as the codec compresses them.
  public mutating func add(originator: UInt64, topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer) {
    own()
    samples.add(originator, topic: topic, state: state)
  }

  /// The dictionary's content, empty if no string qualifies; the strings that save most stand at its end. The same samples
  /// in the same order give the same bytes.
  ///
  /// Some 200 ms for a mebibyte of samples, and some 50 times their size in memory meanwhile.
  public mutating func train() -> [UInt8] {
    samples.train(maximumSize: maximumSize, minimumOriginators: minimumOriginators)
  }

  /// A trainer that was copied gets samples of its own before it changes them.
  private mutating func own() {
    if !isKnownUniquelyReferenced(&samples) { samples = samples.copy() }
  }
}

/// The samples' bytes, one after the other. A class so that they are erased at the end.
private final class Samples {
  struct Span {
    var originator: UInt64
    var start: Int
    var end: Int
  }

  static let most = 4 << 20

  var spans: [Span] = []
  private(set) var count = 0
  private var bytes: UnsafeMutableRawPointer
  private var capacity: Int

  init(capacity: Int = 64 << 10) {
    bytes = .allocate(byteCount: capacity, alignment: 16)
    self.capacity = capacity
  }

  deinit {
    OPENSSL_cleanse(bytes, capacity)
    bytes.deallocate()
  }

  func copy() -> Samples {
    let copy = Samples(capacity: capacity)
    copy.bytes.copyMemory(from: bytes, byteCount: count)
    copy.count = count
    copy.spans = spans
    return copy
  }

  func add(_ originator: UInt64, _ sample: UnsafeRawBufferPointer) {
    guard !sample.isEmpty, count + sample.count <= Self.most else { return }
    reserve(sample.count)
    let start = count
    append(sample)
    spans.append(Span(originator: originator, start: start, end: count))
  }

  func add(_ originator: UInt64, topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer) {
    guard count + topic.count + state.count + 10 <= Self.most else { return }
    reserve(topic.count + state.count + 10)
    let start = count
    count += Varint.write(UInt64(topic.count), to: bytes + count)
    append(topic)
    append(state)
    spans.append(Span(originator: originator, start: start, end: count))
  }

  private func append(_ more: UnsafeRawBufferPointer) {
    guard let start = more.baseAddress else { return }
    (bytes + count).copyMemory(from: start, byteCount: more.count)
    count += more.count
  }

  private func reserve(_ more: Int) {
    guard count + more > capacity else { return }
    let larger = max(2 * capacity, count + more)
    let new = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
    new.copyMemory(from: bytes, byteCount: count)
    OPENSSL_cleanse(bytes, capacity)
    bytes.deallocate()
    bytes = new
    capacity = larger
  }

  /// See `DictionaryTrainer.train`.
  func train(maximumSize: Int, minimumOriginators: Int) -> [UInt8] {
    // Samples of one originator lie together, so that counting originators needs only the last one seen.
    let order = spans.indices.sorted { (spans[$0].originator, $0) < (spans[$1].originator, $1) }
    let text = Samples(capacity: max(count, 1))
    var ranges: [SharedStrings.Sample] = []
    var index: UInt32 = 0
    var last: UInt64?
    for place in order {
      let span = spans[place]
      if let last, last != span.originator { index += 1 }
      last = span.originator
      let start = text.count
      text.append(UnsafeRawBufferPointer(start: bytes + span.start, count: span.end - span.start))
      ranges.append(SharedStrings.Sample(originator: index, start: start, end: text.count))
    }
    let shared = SharedStrings(
      text: UnsafeRawBufferPointer(start: text.bytes, count: text.count), samples: ranges,
      minimumOriginators: UInt32(clamping: minimumOriginators))
    return DictionaryAssembly.assemble(
      shared.tokens(), text: UnsafeRawBufferPointer(start: text.bytes, count: text.count), sampleCount: ranges.count,
      maximumSize: maximumSize)
  }
}

internal import Sealing
private import Synchronization

/// Collects states for the training of dictionaries. Thread-safe.
///
/// What a store begins with is seldom like what it holds later: after 1,000 records, and then whenever there are four
/// times as many, a window of 1,000 states is sampled and a dictionary trained from it. It is adopted if it saves at
/// least a twentieth more than the one in use, on states that it was not trained from. Samples are in memory only, and
/// wiped. Training takes some 50 ms: a bulk load does the first two itself, so that it does not go by without one.
final class Sampler: StateObserver, @unchecked Sendable {  // every `var` is guarded by `lock`
  private static let windowSize = 1000
  private static let firstWindow: UInt64 = 1000

  /// States seen in the life of the store, and the count from which the next window is sampled: never, until it begins.
  private let seen = Atomic<UInt64>(0)
  private let nextSample = Atomic<UInt64>(.max)
  private let lock = Monitor()
  private var window = Sampler.firstWindow
  private var stride: UInt64 = 1
  private var trainer = DictionaryTrainer()
  private var heldOut = RawBuffer(capacity: 64)
  private var heldOutLengths: [Int] = []
  private var sampled = 0
  private var isTraining = false
  private let trained = Monitor.Condition()
  /// Set from when there are enough samples until they are trained from, for the windows that a bulk load stops for.
  private let due = Atomic<Bool>(false)
  private static let lastAwaitedWindow: UInt64 = 4000

  /// Whether a bulk load shall train a dictionary before it goes on.
  var isDue: Bool { due.load(ordering: .relaxed) }
  private var wake: (@Sendable () -> Void)?

  /// Begins to sample.
  ///
  /// - Parameters:
  ///   - recordCount: records that the store holds already.
  ///   - onEnough: what to call when there are enough samples.
  func begin(recordCount: UInt64, onEnough: @escaping @Sendable () -> Void) {
    lock.lock()
    defer { lock.unlock() }
    wake = onEnough
    // A store that is opened with few records samples the first window from its beginning.
    var start: UInt64 = 0
    if recordCount >= Self.firstWindow {
      while window <= recordCount { window *= 4 }
      start = window
    }
    seen.store(recordCount, ordering: .relaxed)
    nextSample.store(start, ordering: .relaxed)
    stride = max(1, window / 4 / UInt64(Self.windowSize))
  }

  deinit { wipe() }

  /// Some 7 ns for a state that is not sampled.
  func observe(
    originatorHigh: UInt64, originatorLow: UInt64, topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer
  ) {
    let number = seen.add(1, ordering: .relaxed).newValue
    if number < nextSample.load(ordering: .relaxed) { return }
    sample(number, OriginatorID(high: originatorHigh, low: originatorLow), topic, state)
  }

  @inline(never)
  private func sample(
    _ number: UInt64, _ originator: OriginatorID, _ topic: UnsafeRawBufferPointer, _ state: UnsafeRawBufferPointer
  ) {
    lock.lock()
    guard sampled < Self.windowSize, state.count <= 4096, number >= nextSample.load(ordering: .relaxed) else {
      lock.unlock()
      return
    }
    nextSample.store(number + stride, ordering: .relaxed)
    sampled += 1
    if sampled % 8 == 0 {
      heldOut.append(topic)
      heldOut.append(state)
      heldOutLengths.append(topic.count + state.count)
    } else {
      trainer.add(originator: originator.high ^ originator.low &* 0x9E37_79B9_7F4A_7C15, topic: topic, state: state)
    }
    let wake = sampled == Self.windowSize ? wake : nil
    if sampled == Self.windowSize {
      nextSample.store(.max, ordering: .relaxed)
      if window <= Self.lastAwaitedWindow { due.store(true, ordering: .relaxed) }
    }
    lock.unlock()
    wake?()
  }

  /// Trains, without holding up those who append; `nil` when the window brought nothing better than `current`.
  ///
  /// - Parameter waits: whether to wait for another thread that is training already.
  func train(against current: CompressionDictionary?, waits: Bool) -> [UInt8]? {
    lock.lock()
    while isTraining && waits { trained.wait(lock) }
    guard sampled == Self.windowSize, !isTraining else {
      lock.unlock()
      return nil
    }
    isTraining = true
    var taken = trainer
    trainer = DictionaryTrainer()
    lock.unlock()
    let content = taken.train()
    lock.lock()
    defer { lock.unlock() }
    isTraining = false
    due.store(false, ordering: .relaxed)
    trained.broadcast()
    let isBetter = content.count >= 64 && saves(content, against: current)
    wipe()
    window *= 4
    stride = max(1, window / 4 / UInt64(Self.windowSize))
    nextSample.store(window, ordering: .relaxed)
    return isBetter ? content : nil
  }

  private func saves(_ content: [UInt8], against current: CompressionDictionary?) -> Bool {
    guard let candidate = try? CompressionDictionary(number: 1, content: content) else { return false }
    var before = 0
    var after = 0
    var offset = 0
    let room = RawBuffer(capacity: LZ4.bound(8192))
    for length in heldOutLengths {
      let sample = UnsafeRawBufferPointer(rebasing: heldOut.bytes[offset..<(offset + length)])
      offset += length
      let output = room.reserve(LZ4.bound(length))
      before += current.map { LZ4.compress(sample, into: output, dictionary: $0) } ?? LZ4.compress(sample, into: output)
      after += LZ4.compress(sample, into: output, dictionary: candidate)
    }
    return after * 20 <= before * 19
  }

  private func wipe() {
    trainer = DictionaryTrainer()
    heldOut.wipe()
    heldOutLengths = []
    sampled = 0
  }
}

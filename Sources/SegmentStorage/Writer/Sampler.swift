internal import Sealing

/// Collects states for the training of the store's first dictionary. Thread-safe.
///
/// Samples are kept in memory only until there are enough, and wiped by the trainer.
final class Sampler: @unchecked Sendable {  // every `var` is guarded by `lock`
  private let lock = Monitor()
  private var trainer = DictionaryTrainer()
  private var goal = 1000
  private var isDone = false
  private var isTraining = false
  private var wake: (@Sendable () -> Void)?

  /// What to call when there are enough samples.
  func onEnough(_ body: @escaping @Sendable () -> Void) { lock.withLock { wake = body } }

  func observe(originator: OriginatorID, topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer) {
    lock.lock()
    guard !isDone, !isTraining, trainer.sampleCount < goal, state.count <= 4096 else {
      lock.unlock()
      return
    }
    trainer.add(originator: originator.high ^ originator.low &* 0x9E37_79B9_7F4A_7C15, topic: topic, state: state)
    let wake = trainer.sampleCount == goal ? wake : nil
    lock.unlock()
    wake?()
  }

  /// Trains, without holding up those who append; `nil` when there is too little in common yet, and then goes on
  /// collecting up to four times as much.
  func train() -> [UInt8]? {
    lock.lock()
    guard !isDone, !isTraining, trainer.sampleCount >= goal else {
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
    if content.count >= 64 {
      stop()
      return content
    }
    goal *= 4
    if goal > 64_000 { stop() }
    return nil
  }

  /// Wipes the samples.
  private func stop() {
    isDone = true
    trainer = DictionaryTrainer()
  }
}

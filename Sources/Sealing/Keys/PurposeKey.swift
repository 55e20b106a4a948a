import CLibcrypto
import Synchronization

/// One purpose's key of an epoch, with the counter that its nonces are made from.
///
/// Key 32 ‖ base nonce 12 ‖ commitment 32 = HKDF-SHA-256(root key, salt = the epoch's salt,
/// info = "closeroll/1/" ‖ purpose ‖ store ID). The nonce of counter c is the base nonce with its last eight bytes XORed
/// with c, big-endian.
///
/// A counter is taken once, by an atomic addition, and never given back, whatever becomes of the commit: a nonce cannot
/// repeat within a process, and a new process makes a new epoch. Keys of an epoch that another process made, or that was
/// left behind here, only open. Thread-safe.
public final class PurposeKey: Sendable {
  /// How many states one key may seal: 2³², far below what AES-GCM allows for counters, and SP 800-38D's bound for random nonces.
  public static let mostCounters: UInt64 = 1 << 32

  /// 32 bytes that only the right root key reproduces. They tell nothing about the key.
  public let commitment: [UInt8]

  let cipher: AESGCMKey
  private let base: (UInt32, UInt32, UInt32)
  private let counter: Atomic<UInt64>

  static let derivedLength = 32 + 12 + 32

  /// `derived` lies at `offset` of `memory`: key, base nonce, commitment.
  init(_ memory: SecureBytes, offset: Int, counter: UInt64) throws(SealingError) {
    cipher = try AESGCMKey(memory, offset: offset, length: 32)
    let bytes = memory.buffer
    base = (
      bytes.loadUnaligned(fromByteOffset: offset + 32, as: UInt32.self),
      bytes.loadUnaligned(fromByteOffset: offset + 36, as: UInt32.self),
      bytes.loadUnaligned(fromByteOffset: offset + 40, as: UInt32.self)
    )
    commitment = Array(bytes[(offset + 44)..<(offset + 76)])
    self.counter = Atomic(counter)
  }

  /// Takes `count` counters in a row and returns the first. About 6 ns.
  ///
  /// Throws `epochExhausted` if that many are not left or the key is for opening only, `keyUnavailable` in a forked process.
  public func nextCounter(_ count: Int = 1) throws(SealingError) -> UInt64 {
    precondition(count > 0, "at least one counter is taken")
    let wanted = UInt64(count)
    // The test before the addition keeps refused calls from driving the value up to where it would wrap.
    guard wanted <= Self.mostCounters, counter.load(ordering: .relaxed) <= Self.mostCounters - wanted else {
      throw Self.exhausted()
    }
    guard !cipher.isWiped else {
      throw SealingError(.keyUnavailable, "keys do not pass to a forked process: open the store again there")
    }
    let first = counter.wrappingAdd(wanted, ordering: .relaxed).oldValue
    guard first <= Self.mostCounters - wanted else { throw Self.exhausted() }
    return first
  }

  /// One counter, or nil where `nextCounter` would throw or a new epoch is due.
  @inline(__always)
  func counterIfAvailable() -> UInt64? {
    guard !isNearlyExhausted, !cipher.isWiped else { return nil }
    let counter = counter.wrappingAdd(1, ordering: .relaxed).oldValue
    return counter < Self.mostCounters ? counter : nil
  }

  /// Whether so few counters are left that it is time for a new epoch.
  var isNearlyExhausted: Bool { counter.load(ordering: .relaxed) >= Self.mostCounters - (1 << 24) }

  /// Seals under a counter that was taken with `nextCounter` and used for nothing else; else as `AESGCMKey.seal`.
  public func seal(
    counter: UInt64, aad: UnsafeRawBufferPointer,
    aad2: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    aad3: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    plaintext: UnsafeRawBufferPointer, ciphertext: UnsafeMutableRawPointer, tag: UnsafeMutableRawPointer
  ) throws(SealingError) {
    let context = try cipher.checkOut(.seal)
    defer { cipher.checkIn(context, .seal) }
    try Self.seal(
      with: context, nonce: nonce(of: counter), aad: aad, aad2: aad2, aad3: aad3, plaintext: plaintext,
      ciphertext: ciphertext,
      tag: tag)
  }

  /// Opens what was sealed under a counter; else as `AESGCMKey.open`.
  public func open(
    counter: UInt64, aad: UnsafeRawBufferPointer,
    aad2: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    aad3: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    ciphertext: UnsafeRawBufferPointer, tag: UnsafeRawPointer, plaintext: UnsafeMutableRawPointer
  ) throws(SealingError) {
    let context = try cipher.checkOut(.open)
    defer { cipher.checkIn(context, .open) }
    try Self.open(
      with: context, nonce: nonce(of: counter), aad: aad, aad2: aad2, aad3: aad3, ciphertext: ciphertext, tag: tag,
      plaintext: plaintext)
  }

  /// Deciphers what was sealed under a counter, and proves nothing of it: whoever can write to the files may have changed it.
  ///
  /// For salvage only, where what ties a commit to the one before it is lost. What comes out is believed as far as something
  /// else proves it.
  package func decipherUnproven(
    counter: UInt64, ciphertext: UnsafeRawBufferPointer, plaintext: UnsafeMutableRawPointer
  ) throws(SealingError) {
    let context = try cipher.checkOut(.open)
    defer { cipher.checkIn(context, .open) }
    try withUnsafeBytes(of: nonce(of: counter)) { nonce throws(SealingError) in
      guard let nonce = nonce.baseAddress else { return }
      try GCM.decipher(context, nonce: nonce, ciphertext: ciphertext, plaintext: plaintext)
    }
  }

  /// As `seal`, over a context that the caller has checked out and a nonce that `nonce(of:)` made.
  @inline(__always)
  static func seal(
    with context: OpaquePointer, nonce: (UInt32, UInt32, UInt32), aad: UnsafeRawBufferPointer,
    aad2: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    aad3: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    plaintext: UnsafeRawBufferPointer, ciphertext: UnsafeMutableRawPointer, tag: UnsafeMutableRawPointer
  ) throws(SealingError) {
    try withUnsafeBytes(of: nonce) { nonce throws(SealingError) in
      guard let nonce = nonce.baseAddress else { return }
      try GCM.seal(
        context, nonce: nonce, aad: aad, aad2: aad2, aad3: aad3, plaintext: plaintext, ciphertext: ciphertext, tag: tag)
    }
  }

  /// As `open`, over a context that the caller has checked out and a nonce that `nonce(of:)` made.
  @inline(__always)
  static func open(
    with context: OpaquePointer, nonce: (UInt32, UInt32, UInt32), aad: UnsafeRawBufferPointer,
    aad2: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    aad3: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    ciphertext: UnsafeRawBufferPointer, tag: UnsafeRawPointer, plaintext: UnsafeMutableRawPointer
  ) throws(SealingError) {
    try withUnsafeBytes(of: nonce) { nonce throws(SealingError) in
      guard let nonce = nonce.baseAddress else { return }
      try GCM.open(
        context, nonce: nonce, aad: aad, aad2: aad2, aad3: aad3, ciphertext: ciphertext, tag: tag, plaintext: plaintext)
    }
  }

  /// The twelve bytes of a counter's nonce, as three words in memory order.
  @inline(__always)
  func nonce(of counter: UInt64) -> (UInt32, UInt32, UInt32) {
    (
      base.0, base.1 ^ UInt32(truncatingIfNeeded: counter >> 32).bigEndian,
      base.2 ^ UInt32(truncatingIfNeeded: counter).bigEndian
    )
  }

  @inline(never)
  private static func exhausted() -> SealingError {
    SealingError(.epochExhausted, "the epoch seals nothing more; take the current epoch again")
  }
}

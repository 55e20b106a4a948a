import CLibcrypto

/// Memory of one session that is used again for each record: grows, is erased when it goes.
struct ScratchBuffer: ~Copyable {
  private(set) var start: UnsafeMutableRawPointer
  private(set) var capacity: Int

  init(capacity: Int) {
    start = .allocate(byteCount: capacity, alignment: 16)
    self.capacity = capacity
  }

  deinit { Self.free(start, capacity) }

  /// Room for `count` bytes; what was in the buffer is lost if it has to grow.
  @inline(__always)
  mutating func reserve(_ count: Int) {
    if count > capacity { grow(to: count) }
  }

  @inline(never)
  private mutating func grow(to count: Int) {
    Self.free(start, capacity)
    // In steps of 64 KiB: one large state is not to cost twice its size.
    capacity = (count + 0xffff) & ~0xffff
    start = .allocate(byteCount: capacity, alignment: 16)
  }

  /// Gives memory back after a large record, so that an idle session holds little.
  mutating func shrink(to most: Int) {
    guard capacity > most else { return }
    Self.free(start, capacity)
    capacity = most
    start = .allocate(byteCount: capacity, alignment: 16)
  }

  private static func free(_ start: UnsafeMutableRawPointer, _ capacity: Int) {
    OPENSSL_cleanse(start, capacity)
    start.deallocate()
  }
}

internal import Glibc
internal import Sealing

/// A growable stretch of raw memory that is used again and again, so that a commit of many records allocates nothing.
///
/// Integers are written little-endian. Not thread-safe: one owner at a time.
final class RawBuffer {
  private(set) var start: UnsafeMutableRawPointer
  private(set) var capacity: Int
  /// Bytes in use.
  private(set) var count = 0

  init(capacity: Int = 4096) {
    self.capacity = capacity
    start = .allocate(byteCount: capacity, alignment: 64)
  }

  deinit { start.deallocate() }

  /// The bytes in use; valid until the next append.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  /// Forgets the content and keeps the memory, unless it grew beyond `limit`.
  func removeAll(keepingAtMost limit: Int = .max) {
    count = 0
    if capacity > limit {
      start.deallocate()
      capacity = limit
      start = .allocate(byteCount: capacity, alignment: 64)
    }
  }

  /// Forgets the content and overwrites it with zeros.
  func wipe() {
    explicit_bzero(start, capacity)
    count = 0
  }

  /// Forgets what is behind the first `newCount` bytes.
  func truncate(to newCount: Int) {
    precondition(newCount <= count)
    count = newCount
  }

  /// Makes room for `extra` bytes behind the bytes in use and returns it; what is written there counts after
  /// ``commit(_:)``.
  @inline(__always)
  func reserve(_ extra: Int) -> UnsafeMutableRawBufferPointer {
    if capacity - count < extra { grow(by: extra) }
    return UnsafeMutableRawBufferPointer(start: start + count, count: extra)
  }

  /// Counts `extra` bytes, written into the reserved room, as in use.
  @inline(__always)
  func commit(_ extra: Int) {
    precondition(count + extra <= capacity)
    count += extra
  }

  @inline(never)
  private func grow(by extra: Int) {
    let newCapacity = max(capacity * 2, count + extra)
    let newStart = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 64)
    newStart.copyMemory(from: start, byteCount: count)
    start.deallocate()
    start = newStart
    capacity = newCapacity
  }

  @inline(__always)
  func append<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
    let size = MemoryLayout<Value>.size
    reserve(size).storeBytes(of: value.littleEndian, as: Value.self)
    count += size
  }

  @inline(__always)
  func append(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    let room = reserve(bytes.count)
    room.baseAddress.unsafelyUnwrapped.copyMemory(from: base, byteCount: bytes.count)
    count += bytes.count
  }

  func append(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { append($0) }
  }

  func appendZeros(_ extra: Int) {
    guard extra > 0 else { return }
    let room = reserve(extra)
    memset(room.baseAddress.unsafelyUnwrapped, 0, extra)
    count += extra
  }

  /// LEB128: seven bits a byte, low bits first, the top bit set on all but the last.
  @inline(__always)
  func appendVarint(_ value: UInt64) {
    let room = reserve(10)
    var rest = value
    var length = 0
    while rest >= 0x80 {
      room[length] = UInt8(truncatingIfNeeded: rest) | 0x80
      rest >>= 7
      length += 1
    }
    room[length] = UInt8(truncatingIfNeeded: rest)
    count += length + 1
  }

  /// Zigzag, then LEB128: small numbers of either sign stay short.
  @inline(__always)
  func appendSignedVarint(_ value: Int64) {
    appendVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  /// A varint of the length, then the bytes.
  func appendPrefixed(_ bytes: UnsafeRawBufferPointer) {
    appendVarint(UInt64(bytes.count))
    append(bytes)
  }

  /// Overwrites four bytes that are already in use.
  func store(_ value: UInt32, at offset: Int) {
    precondition(offset >= 0 && offset + 4 <= count)
    start.storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self)
  }
}

extension UnsafeRawBufferPointer {
  /// Whether all bytes are zero; at the speed of the C library also where nothing is optimised.
  var isZero: Bool {
    guard count > 1, let start = baseAddress else { return count == 0 || self[0] == 0 }
    return self[0] == 0 && memcmp(start, start + 1, count - 1) == 0
  }
}

/// Reads fields from bytes that nobody has checked yet.
///
/// A read beyond the end, or a varint that is too long, gives zero and sets ``failed``; nothing traps. Callers read a
/// whole structure and then look at ``failed`` once.
struct ByteReader {
  private let base: UnsafeRawPointer?
  let count: Int
  private(set) var offset = 0
  /// Whether any read so far went wrong.
  private(set) var failed = false

  init(_ bytes: UnsafeRawBufferPointer) {
    base = bytes.baseAddress
    count = bytes.count
  }

  var remaining: Int { count - offset }
  /// Everything was read and nothing failed.
  var isAtEnd: Bool { !failed && offset == count }

  mutating func fail() { failed = true }

  @inline(__always)
  mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type = Value.self) -> Value {
    let size = MemoryLayout<Value>.size
    guard let base, count - offset >= size else {
      failed = true
      return 0
    }
    defer { offset += size }
    return Value(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: Value.self))
  }

  @inline(__always)
  mutating func readVarint() -> UInt64 {
    guard let base else {
      failed = true
      return 0
    }
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < count {
      let byte = base.load(fromByteOffset: offset, as: UInt8.self)
      offset += 1
      if shift == 63 && byte > 1 { break }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
      if shift > 63 { break }
    }
    failed = true
    return 0
  }

  @inline(__always)
  mutating func readSignedVarint() -> Int64 {
    let raw = readVarint()
    return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
  }

  /// A varint that must not be larger than `limit`.
  mutating func readCount(atMost limit: Int) -> Int {
    let value = readVarint()
    guard value <= UInt64(limit) else {
      failed = true
      return 0
    }
    return Int(value)
  }

  /// The next `length` bytes, or an empty buffer when there are fewer.
  @inline(__always)
  mutating func readBytes(_ length: Int) -> UnsafeRawBufferPointer {
    guard let base, length >= 0, count - offset >= length else {
      failed = true
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    defer { offset += length }
    return UnsafeRawBufferPointer(start: base + offset, count: length)
  }

  /// A varint of the length, then the bytes.
  mutating func readPrefixed(atMost limit: Int) -> UnsafeRawBufferPointer {
    let length = readCount(atMost: limit)
    return failed ? UnsafeRawBufferPointer(start: nil, count: 0) : readBytes(length)
  }
}

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Growing bytes into which JSON is written: one pass, no intermediate values.
///
/// Used by one task at a time.
final class JSONWriter {
  /// What is written on the way, behind one pointer: no access to it is checked for exclusivity.
  private struct Memory {
    var base: UnsafeMutablePointer<UInt8>
    var count: Int
    var capacity: Int
  }

  private let memory: UnsafeMutablePointer<Memory>
  /// Blanks after `,` and `:`, as the first version of the transcoding has them.
  var hasBlanks = false

  init(capacity: Int = 512) {
    memory = .allocate(capacity: 1)
    memory.initialize(to: Memory(base: .allocate(capacity: capacity), count: 0, capacity: capacity))
  }

  deinit {
    memory.pointee.base.deallocate()
    memory.deallocate()
  }

  @inline(__always)
  var base: UnsafeMutablePointer<UInt8> { memory.pointee.base }

  @inline(__always)
  private(set) var count: Int {
    get { memory.pointee.count }
    set { memory.pointee.count = newValue }
  }

  var bytes: [UInt8] { [UInt8](UnsafeBufferPointer(start: base, count: count)) }
  var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  func removeAll() { count = 0 }

  /// Whether it is worth keeping for another text.
  var isSmall: Bool { memory.pointee.capacity <= 1 << 16 }

  @inline(__always)
  func reserve(_ more: Int) {
    if memory.pointee.capacity &- memory.pointee.count < more { grow(more) }
  }

  @inline(never)
  private func grow(_ more: Int) {
    let capacity = max(memory.pointee.capacity * 2, count + more)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    larger.update(from: base, count: count)
    base.deallocate()
    memory.pointee.base = larger
    memory.pointee.capacity = capacity
  }

  @inline(__always)
  func byte(_ byte: UInt8) {
    reserve(1)
    base[count] = byte
    count &+= 1
  }

  @inline(__always)
  func raw(_ text: StaticString) {
    let length = text.utf8CodeUnitCount
    reserve(length)
    (base + count).update(from: text.utf8Start, count: length)
    count &+= length
  }

  @inline(__always)
  func raw(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let start = bytes.baseAddress else { return }
    reserve(bytes.count)
    (base + count).update(from: start, count: bytes.count)
    count &+= bytes.count
  }

  func raw(_ text: String) {
    var text = text
    text.withUTF8 { raw($0) }
  }

  @inline(__always)
  func comma() { if hasBlanks { raw(", ") } else { byte(UInt8(ascii: ",")) } }

  @inline(__always)
  func colon() { if hasBlanks { raw(": ") } else { byte(UInt8(ascii: ":")) } }

  /// A key of the stored form and its colon.
  func key(_ name: StaticString) {
    byte(UInt8(ascii: "\""))
    raw(name)
    byte(UInt8(ascii: "\""))
    colon()
  }

  // MARK: Strings

  @inline(__always)
  func string(_ text: String) {
    var text = text
    text.withUTF8 { string($0) }
  }

  /// Writes UTF-8 as a JSON string in ASCII: what is not plain is escaped.
  @inline(__always)
  func string(_ text: UnsafeBufferPointer<UInt8>) {
    reserve(text.count &+ 2)
    base[count] = UInt8(ascii: "\"")
    count &+= 1
    var offset = 0
    if let start = text.baseAddress {
      while text.count &- offset >= 8 {
        let word = UnsafeRawPointer(start + offset).loadUnaligned(as: UInt64.self)
        guard JSONBytes.specials(in: word) | JSONBytes.deletes(in: word) == 0 else { break }
        UnsafeMutableRawPointer(base + count).storeBytes(of: word, as: UInt64.self)
        count &+= 8
        offset &+= 8
      }
      while offset < text.count {
        let byte = start[offset]
        guard byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") else { break }
        base[count] = byte
        count &+= 1
        offset &+= 1
      }
    }
    if offset < text.count { escaping(text, from: offset) }
    self.byte(UInt8(ascii: "\""))
  }

  @inline(never)
  private func escaping(_ text: UnsafeBufferPointer<UInt8>, from start: Int) {
    for scalar in String(decoding: text[start...], as: UTF8.self).unicodeScalars {
      if scalar.value >= 0x20, scalar.value < 0x7F, scalar != "\"", scalar != "\\" {
        byte(UInt8(truncatingIfNeeded: scalar.value))
      } else {
        for unit in UTF16.encode(scalar).unsafelyUnwrapped { escaped(unit) }
      }
    }
  }

  /// Writes one UTF-16 code unit that may need an escape.
  func escaped(_ unit: UInt16) {
    switch unit {
    case 0x22: raw("\\\"")
    case 0x5C: raw("\\\\")
    case 0x0A: raw("\\n")
    case 0x0D: raw("\\r")
    case 0x09: raw("\\t")
    case 0x08: raw("\\b")
    case 0x0C: raw("\\f")
    case 0x20...0x7E: byte(UInt8(truncatingIfNeeded: unit))
    default:
      raw("\\u")
      for shift in [12, 8, 4, 0] { byte(Self.hex[Int(unit >> UInt16(shift) & 15)]) }
    }
  }

  /// Writes UTF-16, whatever surrogates it has.
  func string(_ units: [UInt16]) {
    byte(UInt8(ascii: "\""))
    for unit in units { escaped(unit) }
    byte(UInt8(ascii: "\""))
  }

  static let hex: [UInt8] = Array("0123456789abcdef".utf8)

  // MARK: Numbers

  @inline(__always)
  func integer(_ value: some FixedWidthInteger) {
    if let small = Int64(exactly: value) { integer(small) } else { raw(String(value)) }
  }

  func integer(_ value: Int64) {
    reserve(20)
    var rest = value.magnitude
    if value < 0 {
      base[count] = UInt8(ascii: "-")
      count &+= 1
    }
    // At most 19 digits, so the limit stays below 10¹⁹, which fits.
    var digits = 1
    var limit: UInt64 = 10
    while rest >= limit {
      digits &+= 1
      limit = limit &* 10
    }
    var position = count &+ digits
    count = position
    repeat {
      position &-= 1
      base[position] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
  }

  // MARK: Marked values

  func uuid(_ value: UUID) {
    raw("{\"UUID\"")
    colon()
    reserve(36)
    base[count] = UInt8(ascii: "\"")
    var position = count &+ 1
    withUnsafeBytes(of: value.uuid) { bytes in
      Self.hex.withUnsafeBufferPointer { hex in
        for byte in bytes {
          base[position] = hex[Int(byte &>> 4)]
          base[position &+ 1] = hex[Int(byte & 15)]
          position &+= 2
        }
      }
    }
    base[position] = UInt8(ascii: "\"")
    base[position &+ 1] = UInt8(ascii: "}")
    count = position &+ 2
  }

  func date(_ value: Date) {
    raw("{\"ISO8601_datetime\"")
    colon()
    byte(UInt8(ascii: "\""))
    ISODateTime(value).write { byte($0) }
    raw("\"}")
  }

  func decimal(_ text: String) {
    raw("{\"__decimal__\"")
    colon()
    string(text)
    byte(UInt8(ascii: "}"))
  }

  func timestamp(_ value: Timestamp) {
    raw("{\"__decimal__\"")
    colon()
    byte(UInt8(ascii: "\""))
    if value.microseconds < 0 { byte(UInt8(ascii: "-")) }
    let (seconds, fraction) = value.microseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
    integer(Int64(seconds))
    byte(UInt8(ascii: "."))
    reserve(6)
    var rest = fraction
    for position in stride(from: count + 5, through: count, by: -1) {
      base[position] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    count &+= 6
    raw("\"}")
  }

  func data(_ bytes: UnsafeRawBufferPointer) {
    raw("{\"__bytes__\"")
    colon()
    byte(UInt8(ascii: "\""))
    reserve(bytes.count / 3 * 4 + 4)
    Base64.encode(bytes) { byte($0) }
    raw("\"}")
  }
}

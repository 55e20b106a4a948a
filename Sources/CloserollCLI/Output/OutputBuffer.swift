import Glibc
import SegmentStorage

/// The reader of the output has closed its end.
struct OutputClosed: Error {}

/// A descriptor that is written through a buffer. Not thread-safe.
///
/// Nothing is written at the end of its life: whoever writes also calls ``flush()``.
struct OutputBuffer: ~Copyable {
  private let descriptor: Int32
  private var bytes: [UInt8] = []
  private static let capacity = 128 << 10

  init(descriptor: Int32 = STDOUT_FILENO) {
    self.descriptor = descriptor
    bytes.reserveCapacity(Self.capacity + 4096)
  }

  mutating func append(_ buffer: UnsafeRawBufferPointer) throws {
    bytes.append(contentsOf: buffer)
    if bytes.count >= Self.capacity { try flush() }
  }

  mutating func append(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  mutating func append(_ number: Int64) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var rest = number.magnitude
      var start = 20
      repeat {
        start -= 1
        digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
      } while rest > 0
      if number < 0 { bytes.append(UInt8(ascii: "-")) }
      bytes.append(contentsOf: digits[start..<20])
    }
  }

  /// A UUID in lower case.
  mutating func append(_ id: OriginatorID) {
    for index in 0..<16 {
      if index == 4 || index == 6 || index == 8 || index == 10 { bytes.append(UInt8(ascii: "-")) }
      let byte = UInt8(truncatingIfNeeded: (index < 8 ? id.high : id.low) >> UInt64(56 - 8 * (index & 7)))
      append(hexadecimal: byte)
    }
  }

  mutating func append(hexadecimal byte: UInt8) {
    let digits: StaticString = "0123456789abcdef"
    bytes.append(digits.utf8Start[Int(byte >> 4)])
    bytes.append(digits.utf8Start[Int(byte & 15)])
  }

  /// A JSON string of UTF-8 text.
  mutating func appendString(_ text: UnsafeRawBufferPointer) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0..<0x20:
        append("\\u00" as StaticString)
        append(hexadecimal: byte)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  mutating func appendString(_ text: String) {
    var text = text
    text.withUTF8 { appendString(UnsafeRawBufferPointer($0)) }
  }

  mutating func flushIfFull() throws {
    if bytes.count >= Self.capacity { try flush() }
  }

  /// Writes what is in the buffer.
  ///
  /// - Throws: ``OutputClosed``, or a ``Failure`` for anything else.
  mutating func flush() throws {
    defer { bytes.removeAll(keepingCapacity: true) }
    try bytes.withUnsafeBytes { buffer in
      var rest = buffer
      while !rest.isEmpty {
        let written = write(descriptor, rest.baseAddress, rest.count)
        if written < 0 {
          if errno == EINTR { continue }
          if errno == EPIPE { throw OutputClosed() }
          throw Failure(.inputOutput, "The output cannot be written: \(String(cString: strerror(errno))).")
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      }
    }
  }
}

extension OutputBuffer {
  /// Prints, and flushes at the end, also what was printed before an error. A reader that has gone ends the printing and
  /// is no error.
  static func printing(_ body: (inout OutputBuffer) throws -> Void) throws {
    var output = OutputBuffer()
    do {
      do {
        try body(&output)
      } catch let error where !(error is OutputClosed) {
        try output.flush()
        throw error
      }
      try output.flush()
    } catch is OutputClosed {}
  }
}

import SegmentStorage

/// A file that is nothing but bytes.
final class MemoryFile: File {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int {
    guard offset < UInt64(bytes.count) else { return 0 }
    let part = bytes[Int(offset)..<min(bytes.count, Int(offset) + buffer.count)]
    buffer.copyBytes(from: part)
    return part.count
  }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) -> Int { throw Self.refused }
  func synchronize() throws(SystemError) {}
  func truncate(to size: UInt64) throws(SystemError) { throw Self.refused }
  func size() throws(SystemError) -> UInt64 { UInt64(bytes.count) }
  func tryLock() throws(SystemError) -> Bool { false }
  func isLockedByAnother() throws(SystemError) -> Bool { false }
  func map(length: Int) throws(SystemError) -> (any MappedFile)? { nil }
  func close() throws(SystemError) {}

  private static let refused = SystemError(code: 30, call: "write", path: "memory")
}

extension UnsafeRawBufferPointer {
  /// Splits off the first bytes, which say how the rest is to be used.
  func control(_ count: Int) -> (control: [UInt8], rest: UnsafeRawBufferPointer) {
    let length = Swift.min(count, self.count)
    let head = Array(self[..<length]) + [UInt8](repeating: 0, count: count - length)
    return (head, UnsafeRawBufferPointer(rebasing: self[length...]))
  }
}

/// The stored form of an imported event's state: timestamp and state, each in the bytes in which it came.
///
/// ```
/// {"timestamp":<JSON string>,"state":<JSON object>}
/// ```
enum ImportedState {
  /// How deep a stored form may be nested: it is an object around the state.
  static let maximumDepth = JSONCursor.maximumDepth + 1

  private static let head: StaticString = "{\"timestamp\":"
  private static let middle: StaticString = ",\"state\":"

  /// Both as JSON, the timestamp with its quotes.
  static func write(timestamp: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, into buffer: GrowingBuffer) {
    buffer.removeAll()
    buffer.append(head)
    buffer.append(timestamp)
    buffer.append(middle)
    buffer.append(state)
    buffer.append("}")
  }

  /// Timestamp and state of a stored form; `nil` for a state that was not imported.
  static func split(
    _ bytes: UnsafeRawBufferPointer
  ) -> (timestamp: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer)? {
    let start = head.utf8CodeUnitCount
    guard bytes.count > start, starts(bytes, with: head, at: 0), bytes[start] == UInt8(ascii: "\""),
      bytes[bytes.count - 1] == UInt8(ascii: "}")
    else { return nil }
    var end = start + 1
    while end < bytes.count, bytes[end] != UInt8(ascii: "\"") { end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1 }
    end += 1
    let stateStart = end + middle.utf8CodeUnitCount
    guard stateStart < bytes.count - 1, starts(bytes, with: middle, at: end), bytes[stateStart] == UInt8(ascii: "{")
    else { return nil }
    return (
      UnsafeRawBufferPointer(rebasing: bytes[start..<end]),
      UnsafeRawBufferPointer(rebasing: bytes[stateStart..<(bytes.count - 1)])
    )
  }

  @inline(__always)
  private static func starts(_ bytes: UnsafeRawBufferPointer, with text: StaticString, at offset: Int) -> Bool {
    guard bytes.count - offset >= text.utf8CodeUnitCount else { return false }
    for index in 0..<text.utf8CodeUnitCount where bytes[offset + index] != text.utf8Start[index] { return false }
    return true
  }
}

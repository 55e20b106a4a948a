import Glibc
import SegmentStorage

/// Prints events as JSON lines: those that were imported as they came, with their notification ID. Kept for many events.
struct EventPrinter {
  private var cursor = JSONCursor()

  mutating func print(
    originator: OriginatorID, position: Int64, topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer,
    notificationID: Int64?, to output: inout OutputBuffer
  ) throws {
    output.append("{\"originator_id\":\"")
    output.append(originator)
    output.append("\",\"originator_version\":")
    output.append(position)
    output.append(",\"topic\":")
    output.appendString(topic)
    if let (timestamp, content) = imported(state) {
      output.append(",\"timestamp\":")
      try output.append(timestamp)
      output.append(",\"state\":")
      try output.append(content)
    } else {
      try foreign(state, to: &output)
    }
    if let notificationID {
      output.append(",\"notification_id\":")
      output.append(notificationID)
    }
    output.append("}\n")
    try output.flushIfFull()
  }

  /// Timestamp and state of an event that was imported. An application may store what only begins and ends like one, so
  /// both are looked through, as they were by the import: one line is one JSON object, whatever was stored.
  private mutating func imported(
    _ state: UnsafeRawBufferPointer
  ) -> (timestamp: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer)? {
    guard let parts = ImportedState.split(state), isJSON(parts.timestamp), isJSON(parts.state),
      let start = state.baseAddress, memchr(start, Int32(UInt8(ascii: "\n")), state.count) == nil
    else { return nil }
    return parts
  }

  private mutating func isJSON(_ bytes: UnsafeRawBufferPointer) -> Bool {
    cursor.begin(bytes)
    cursor.skipBlanks()
    guard (try? cursor.skipValue()) != nil else { return false }
    cursor.skipBlanks()
    return cursor.isAtEnd
  }

  /// A state that an application stored: its JSON as it is; in hexadecimal digits if it is none.
  private mutating func foreign(_ state: UnsafeRawBufferPointer, to output: inout OutputBuffer) throws {
    guard isJSON(state) else {
      output.append(",\"state_hex\":\"")
      for byte in state { output.append(hexadecimal: byte) }
      output.append("\"")
      return
    }
    output.append(",\"state\":")
    if state.contains(where: { $0 == 0x0A || $0 == 0x0D }) {
      // Between tokens only: inside a string they are escapes.
      try state.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }.withUnsafeBytes { try output.append($0) }
    } else {
      try output.append(state)
    }
  }
}

import SegmentStorage

/// Prints events as JSON lines: those that were imported as they came, with their notification ID.
enum EventPrinter {
  static func print(
    originator: OriginatorID, position: Int64, topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer,
    notificationID: Int64?, to output: inout OutputBuffer
  ) throws {
    output.append("{\"originator_id\":\"")
    output.append(originator)
    output.append("\",\"originator_version\":")
    output.append(position)
    output.append(",\"topic\":")
    output.appendString(topic)
    if let (timestamp, content) = ImportedState.split(state) {
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

  /// A state that an application stored: its JSON as it is; in hexadecimal digits if it is none.
  private static func foreign(_ state: UnsafeRawBufferPointer, to output: inout OutputBuffer) throws {
    var cursor = JSONCursor()
    cursor.begin(state)
    cursor.skipBlanks()
    let isJSON = (try? cursor.skipValue()) != nil
    cursor.skipBlanks()
    guard isJSON, cursor.isAtEnd else {
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

/// JSON written anew from its tokens, in the one form that hashes are made of: members sorted, sets sorted, ASCII, no blanks.
enum CanonicalJSON {
  /// The same value with its members and sets sorted.
  static func sorted(_ bytes: [UInt8]) throws -> [UInt8] {
    try bytes.withUnsafeBytes { bytes in
      try TokenTables.withTable(of: bytes) { table in
        let writer = JSONWriter(capacity: bytes.count + 16)
        try write(table, 0, keepsNumbers: true, to: writer)
        return writer.bytes
      }
    }
  }

  /// Writes the value at a token; of an object without the member `excluded`. Floating-point numbers are written in their
  /// shortest form, as the reference library does once it has read them, unless they are to be kept as they are.
  static func write(
    _ table: TokenTable, _ index: Int, excluding excluded: StaticString? = nil, keepsNumbers: Bool = false,
    to writer: JSONWriter
  ) throws {
    let token = table[index]
    switch token.kind {
    case .null: writer.raw("null")
    case .true: writer.raw("true")
    case .false: writer.raw("false")
    case .integer, .constant: writer.raw(table.bytes(of: token))
    case .float where keepsNumbers: writer.raw(table.bytes(of: token))
    case .float:
      guard let value = table.double(at: index) else { throw table.corrupted(at: index, "a number is expected") }
      writer.raw(FloatText.text(value))
    case .string: writer.string(table.bytes(of: token))
    case .escapedString:
      if let text = table.string(at: index) { writer.string(text) } else { writer.string(table.codeUnits(at: index)) }
    case .array:
      writer.byte(UInt8(ascii: "["))
      var element = index + 1
      while element < Int(token.next) {
        if element > index + 1 { writer.comma() }
        try write(table, element, keepsNumbers: keepsNumbers, to: writer)
        element = Int(table[element].next)
      }
      writer.byte(UInt8(ascii: "]"))
    case .object:
      if token.length == 1, table.marked("__set__", at: index) != nil || table.marked("__frozenset__", at: index) != nil
      {
        try TranscodedValue(table: table, index: index).write(to: writer, style: TranscodingStyle(isSorted: true))
      } else {
        try writeObject(table, index, excluding: excluded, keepsNumbers: keepsNumbers, to: writer)
      }
    }
  }

  private static func writeObject(
    _ table: TokenTable, _ index: Int, excluding excluded: StaticString?, keepsNumbers: Bool, to writer: JSONWriter
  ) throws {
    let token = table[index]
    if token.needsFullScan {
      var object = try TranscodedValue.object(table, index)
      if let excluded { object[excluded.description] = nil }
      return try TranscodedValue.write(object, to: writer, [], TranscodingStyle(isSorted: true))
    }
    var keys: [Int] = []
    keys.reserveCapacity(Int(token.length))
    var key = index + 1
    while key < Int(token.next) {
      if let excluded,
        table.isEqual(table[key], UnsafeBufferPointer(start: excluded.utf8Start, count: excluded.utf8CodeUnitCount))
      {
        key = Int(table[key + 1].next)
        continue
      }
      keys.append(key)
      key = Int(table[key + 1].next)
    }
    // The order of UTF-8 is that of code points. Keys with escapes were dealt with above.
    keys.sort { one, other in
      table.bytes(of: table[one]).lexicographicallyPrecedes(table.bytes(of: table[other]))
    }
    writer.byte(UInt8(ascii: "{"))
    for (place, key) in keys.enumerated() {
      if place > 0 { writer.comma() }
      writer.string(table.bytes(of: table[key]))
      writer.colon()
      try write(table, key + 1, keepsNumbers: keepsNumbers, to: writer)
    }
    writer.byte(UInt8(ascii: "}"))
  }
}

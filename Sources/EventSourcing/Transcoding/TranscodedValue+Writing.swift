/// How values are written.
struct TranscodingStyle {
  /// Whether the members of objects and the elements of sets are sorted.
  var isSorted = false
  /// The first version of the transcoding, which lives on in the hashes of old events: blanks after `,` and `:`, collections
  /// marked at the top only, no type of dictionaries.
  var isVersion1 = false
}

extension TranscodedValue {
  /// Writes the value.
  ///
  /// - Throws: `EncodingError` for what has no form: in the first version a frozen set, if sorted a set whose elements cannot be
  ///   compared.
  func write(
    to writer: JSONWriter, path: [any CodingKey] = [], style: TranscodingStyle = TranscodingStyle(), isTop: Bool = false
  ) throws {
    guard path.count <= TokenTable.maximumDepth else {
      throw Self.invalid("Values are nested deeper than \(TokenTable.maximumDepth).", path)
    }
    switch self {
    case .null: writer.raw("null")
    case .bool(let value): writer.raw(value ? "true" : "false")
    case .number(let number): writer.raw(number.text)
    case .string(let text): writer.string(text)
    case .unpairedString(let units): writer.string(units)
    case .list(let elements): try Self.write(elements, to: writer, path, style)
    case .object(let object): try Self.write(object, to: writer, path, style)
    case .uuid(let value): writer.uuid(value)
    case .dateTime(let text): Self.write("ISO8601_datetime", text, to: writer)
    case .date(let text): Self.write("ISO8601_date", text, to: writer)
    case .time(let text): Self.write("ISO8601_time", text, to: writer)
    case .decimal(let text): Self.write("__decimal__", text, to: writer)
    case .bytes(let bytes): bytes.withUnsafeBytes { writer.data($0) }
    case .type(let topic): Self.write("__type__", topic, to: writer)
    case .enumeration(let topic, let name):
      var parts: [(StaticString, String)] = [("topic", topic), ("name", name)]
      if style.isSorted { parts.reverse() }
      Self.begin("__enum__", to: writer)
      writer.byte(UInt8(ascii: "{"))
      for (index, (key, text)) in parts.enumerated() {
        if index > 0 { writer.comma() }
        writer.key(key)
        writer.string(text)
      }
      writer.raw("}}")
    case .collection(let marker, let elements, let topic):
      try Self.write(marker, elements, topic, to: writer, path, style, isTop: isTop)
    case .specialList(let elements, let topic):
      if style.isVersion1 { return try Self.write(elements, to: writer, path, style) }
      try Self.write("__list__", topic, to: writer) { try Self.write(elements, to: writer, path, style) }
    case .specialObject(let object, let topic):
      if style.isVersion1 { return try Self.write(object, to: writer, path, style) }
      try Self.write("__dict__", topic, to: writer, topicFirst: !style.isSorted) {
        try Self.write(object, to: writer, path, style)
      }
    case .instance(let state, let topic):
      try Self.write("__class__", topic, to: writer) { try state.write(to: writer, path: path, style: style) }
    }
  }

  private static func invalid(_ what: String, _ path: [any CodingKey]) -> EncodingError {
    .invalidValue(what, EncodingError.Context(codingPath: path, debugDescription: what))
  }

  private static func begin(_ marker: StaticString, to writer: JSONWriter) {
    writer.byte(UInt8(ascii: "{"))
    writer.key(marker)
  }

  private static func write(_ marker: StaticString, _ text: String, to writer: JSONWriter) {
    begin(marker, to: writer)
    writer.string(text)
    writer.byte(UInt8(ascii: "}"))
  }

  private static func write(
    _ marker: StaticString, _ topic: String, to writer: JSONWriter, topicFirst: Bool = false, state: () throws -> Void
  ) throws {
    begin(marker, to: writer)
    writer.byte(UInt8(ascii: "{"))
    if topicFirst {
      writer.key("topic")
      writer.string(topic)
      writer.comma()
    }
    writer.key("state")
    try state()
    if !topicFirst {
      writer.comma()
      writer.key("topic")
      writer.string(topic)
    }
    writer.raw("}}")
  }

  private static func write(
    _ elements: [TranscodedValue], to writer: JSONWriter, _ path: [any CodingKey], _ style: TranscodingStyle
  ) throws {
    writer.byte(UInt8(ascii: "["))
    for (index, element) in elements.enumerated() {
      if index > 0 { writer.comma() }
      try element.write(to: writer, path: path + [PathKey(index)], style: style)
    }
    writer.byte(UInt8(ascii: "]"))
  }

  static func write(
    _ object: TranscodedObject, to writer: JSONWriter, _ path: [any CodingKey], _ style: TranscodingStyle
  ) throws {
    var members = object.members
    if style.isSorted { members.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) } }
    writer.byte(UInt8(ascii: "{"))
    for (index, member) in members.enumerated() {
      if index > 0 { writer.comma() }
      writer.string(member.key)
      writer.colon()
      try member.value.write(to: writer, path: path + [PathKey(member.key)], style: style)
    }
    writer.byte(UInt8(ascii: "}"))
  }

  private static func write(
    _ marker: TranscodingMarker.Collection, _ elements: [TranscodedValue], _ topic: String?, to writer: JSONWriter,
    _ path: [any CodingKey], _ style: TranscodingStyle, isTop: Bool
  ) throws {
    let isSet = marker == .set || marker == .frozenSet
    if style.isVersion1 {
      if marker == .frozenSet {
        throw invalid("The first version of the transcoding has no form for a frozen set.", path)
      }
      if marker == .tuple, !isTop { return try write(elements, to: writer, path, style) }
      if marker == .tuple {
        return try write("__tuple__", topic ?? "builtins#tuple", to: writer) {
          try write(elements, to: writer, path, style)
        }
      }
      if marker == .deque {
        begin("__deque__", to: writer)
        writer.byte(UInt8(ascii: "{"))
        writer.key("topic")
        writer.string(topic ?? "collections#deque")
        writer.comma()
        writer.key("values")
        try write(elements, to: writer, path, style)
        writer.raw("}}")
        return
      }
    }
    let ordered = isSet && (style.isSorted || style.isVersion1) ? try sorted(elements, path) : elements
    if let topic {
      writer.byte(UInt8(ascii: "{"))
      writer.string(marker.rawValue)
      writer.colon()
      writer.byte(UInt8(ascii: "{"))
      writer.key("state")
      try write(ordered, to: writer, path, style)
      writer.comma()
      writer.key("topic")
      writer.string(topic)
      writer.raw("}}")
    } else {
      writer.byte(UInt8(ascii: "{"))
      writer.string(marker.rawValue)
      writer.colon()
      try write(ordered, to: writer, path, style)
      writer.byte(UInt8(ascii: "}"))
    }
  }

  private static func sorted(_ elements: [TranscodedValue], _ path: [any CodingKey]) throws -> [TranscodedValue] {
    try elements.sorted { one, other in
      guard let isLess = one.isLess(than: other) else {
        throw invalid("The elements of a set cannot be compared, hence not be written in order.", path)
      }
      return isLess
    }
  }
}

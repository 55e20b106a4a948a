extension TranscodedValue {
  /// Reads the value at a token. An object with one member whose key is a marker becomes what the marker says.
  ///
  /// - Throws: `DecodingError` if what a marker stands for has another form, with the way to it.
  init(table: TokenTable, index: Int) throws {
    let token = table[index]
    switch token.kind {
    case .null: self = .null
    case .true: self = .bool(true)
    case .false: self = .bool(false)
    case .integer, .float, .constant:
      guard let number = JSONNumber(table: table, index: index) else {
        throw table.corrupted(at: index, "a number is expected")
      }
      self = .number(number)
    case .string, .escapedString:
      if let text = table.string(at: index) {
        self = .string(text)
      } else {
        self = .unpairedString(table.codeUnits(at: index))
      }
    case .array: self = .list(try Self.elements(table, index))
    case .object:
      if token.length == 1, let marked = try Self.marked(table, key: index + 1) {
        self = marked
      } else {
        self = .object(try Self.object(table, index))
      }
    }
  }

  private static func elements(_ table: TokenTable, _ index: Int) throws -> [TranscodedValue] {
    guard table[index].kind == .array else { throw table.mismatch([Any].self, at: index, "an array is expected") }
    var elements: [TranscodedValue] = []
    elements.reserveCapacity(Int(table[index].length))
    var element = index + 1
    while element < Int(table[index].next) {
      elements.append(try TranscodedValue(table: table, index: element))
      element = Int(table[element].next)
    }
    return elements
  }

  static func object(_ table: TokenTable, _ index: Int) throws -> TranscodedObject {
    guard table[index].kind == .object else {
      throw table.mismatch([String: Any].self, at: index, "an object is expected")
    }
    var members: [TranscodedObject.Member] = []
    members.reserveCapacity(Int(table[index].length))
    var places: [String: Int] = [:]
    var key = index + 1
    while key < Int(table[index].next) {
      let name = try text(table, key)
      let value = try TranscodedValue(table: table, index: key + 1)
      if table[index].needsFullScan {
        if let place = places[name] {
          members[place].value = value
          key = Int(table[key + 1].next)
          continue
        }
        places[name] = members.count
      }
      members.append(TranscodedObject.Member(key: name, value: value))
      key = Int(table[key + 1].next)
    }
    return TranscodedObject(members)
  }

  private static func text(_ table: TokenTable, _ index: Int) throws -> String {
    guard let text = table.string(at: index) else {
      throw table.mismatch(String.self, at: index, "a string is expected")
    }
    return text
  }

  private static func marked(_ table: TokenTable, key: Int) throws -> TranscodedValue? {
    let token = table[key]
    guard token.kind == .string else { return nil }
    let value = key + 1
    switch String(decoding: table.bytes(of: token), as: UTF8.self) {
    case "UUID":
      guard let uuid = table.uuid(digitsAt: value) else {
        throw table.corrupted(at: value, "32 hexadecimal digits are expected")
      }
      return .uuid(uuid)
    case "ISO8601_datetime": return .dateTime(try text(table, value))
    case "ISO8601_date": return .date(try text(table, value))
    case "ISO8601_time": return .time(try text(table, value))
    case "__decimal__": return .decimal(try text(table, value))
    case "__type__": return .type(topic: try text(table, value))
    case "__bytes__":
      guard let bytes = table.data(at: key - 1) else { throw table.corrupted(at: value, "Base64 is expected") }
      return .bytes(bytes)
    case "__enum__":
      guard table[value].kind == .object, let topic = table.value(of: "topic" as StaticString, in: value),
        let name = table.value(of: "name" as StaticString, in: value)
      else { throw table.corrupted(at: value, "a topic and a name are expected") }
      return .enumeration(topic: try text(table, topic), name: try text(table, name))
    case "__tuple__": return try collection(.tuple, table, value)
    case "__set__": return try collection(.set, table, value)
    case "__frozenset__": return try collection(.frozenSet, table, value)
    case "__deque__": return try collection(.deque, table, value)
    case "__list__":
      let (state, topic) = try special(table, value)
      return .specialList(try elements(table, state), topic: topic)
    case "__dict__":
      let (state, topic) = try special(table, value)
      return .specialObject(try object(table, state), topic: topic)
    case "__class__":
      let (state, topic) = try special(table, value)
      return .instance(try TranscodedValue(table: table, index: state), topic: topic)
    default: return nil
    }
  }

  private static func special(_ table: TokenTable, _ index: Int) throws -> (state: Int, topic: String) {
    guard table[index].kind == .object, let topic = table.value(of: "topic" as StaticString, in: index),
      let state = table.value(of: "state" as StaticString, in: index)
        ?? table.value(of: "values" as StaticString, in: index)
    else { throw table.corrupted(at: index, "a topic and a state are expected") }
    return (state, try text(table, topic))
  }

  private static func collection(
    _ marker: TranscodingMarker.Collection, _ table: TokenTable, _ index: Int
  ) throws -> TranscodedValue {
    if table[index].kind == .array { return .collection(marker, try elements(table, index), topic: nil) }
    let (state, topic) = try special(table, index)
    // The first version names the plain types.
    let isPlain = topic == "builtins#tuple" || topic == "collections#deque"
    return .collection(marker, try elements(table, state), topic: isPlain ? nil : topic)
  }
}

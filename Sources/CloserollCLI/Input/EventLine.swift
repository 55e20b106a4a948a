import SegmentStorage

/// An event as a line of input has it. The bytes are valid until the parser reads the next line.
struct EventLine {
  var originator: OriginatorID
  var position: Int64
  /// UTF-8 of the topic.
  var topic: UnsafeRawBufferPointer
  /// The stored form: ``ImportedState``.
  var state: UnsafeRawBufferPointer
}

/// Reads events from lines of JSON. Kept for many lines: it allocates nothing per line.
///
/// ```
/// {"originator_id": UUID, "originator_version": n, "topic": T, "timestamp": ISO 8601, "state": {…}}
/// ```
struct EventLineParser: ~Copyable {
  private struct Members: OptionSet {
    let rawValue: UInt8
    static let originatorID = Members(rawValue: 1)
    static let originatorVersion = Members(rawValue: 2)
    static let topic = Members(rawValue: 4)
    static let timestamp = Members(rawValue: 8)
    static let state = Members(rawValue: 16)

    static let names: [(Members, StaticString)] = [
      (.originatorID, "originator_id"), (.originatorVersion, "originator_version"), (.topic, "topic"),
      (.timestamp, "timestamp"), (.state, "state"),
    ]
    static let all: Members = [.originatorID, .originatorVersion, .topic, .timestamp, .state]
  }

  private var cursor = JSONCursor()
  private let topic = GrowingBuffer()
  private let state = GrowingBuffer()

  /// The event of a line; `nil` for a line of blanks.
  mutating func parse(_ line: UnsafeRawBufferPointer) throws(JSONFault) -> EventLine? {
    cursor.begin(line)
    cursor.skipBlanks()
    if cursor.isAtEnd { return nil }
    guard cursor.next == UInt8(ascii: "{") else { throw cursor.fault("an event is a JSON object") }
    try cursor.expect(UInt8(ascii: "{"), "an object")
    var found: Members = []
    var event = EventLine(
      originator: OriginatorID(high: 0, low: 0), position: 0, topic: UnsafeRawBufferPointer(start: nil, count: 0),
      state: UnsafeRawBufferPointer(start: nil, count: 0))
    var timestamp = event.topic
    var rawState = event.topic
    cursor.skipBlanks()
    if cursor.next == UInt8(ascii: "}") {
      try cursor.expect(UInt8(ascii: "}"), "the end")
    } else {
      while true {
        let member = try self.member(&found)
        switch member {
        case .originatorID: event.originator = try originatorID()
        case .originatorVersion: event.position = try originatorVersion()
        case .topic: event.topic = try topicText()
        case .timestamp: timestamp = try timestampText()
        default: rawState = try stateText()
        }
        cursor.skipBlanks()
        if cursor.next == UInt8(ascii: "}") { break }
        try cursor.expect(UInt8(ascii: ","), "a comma or the end of the object")
        cursor.skipBlanks()
      }
      try cursor.expect(UInt8(ascii: "}"), "the end of the object")
    }
    cursor.skipBlanks()
    guard cursor.isAtEnd else { throw cursor.fault("something follows the event; each line holds one") }
    guard found == .all else {
      let missing = Members.names.filter { !found.contains($0.0) }.map { "“\($0.1)”" }
      throw cursor.fault("the event has no \(missing.joined(separator: ", no "))", at: 0)
    }
    ImportedState.write(timestamp: timestamp, state: rawState, into: state)
    guard state.bytes.count <= StorageLimits.state else {
      throw cursor.fault("the state is larger than \(StorageLimits.state) bytes", at: 0)
    }
    event.state = state.bytes
    return event
  }

  /// Steps over a key and its colon.
  private mutating func member(_ found: inout Members) throws(JSONFault) -> Members {
    let start = cursor.offset
    guard cursor.next == UInt8(ascii: "\"") else { throw cursor.fault("expected a key") }
    let text = try cursor.string()
    let name = cursor.slice(text.start, text.end)
    var member: Members?
    if text.hasEscapes {
      let unescaped = cursor.unescaped(text)
      member = unescaped.withUnsafeBytes { Self.member($0) }
    } else {
      member = Self.member(name)
    }
    guard let member else {
      throw cursor.fault("the key “\(Self.shown(name))” is unknown", at: start)
    }
    guard !found.contains(member) else { throw cursor.fault("the key “\(Self.shown(name))” comes twice", at: start) }
    found.insert(member)
    cursor.skipBlanks()
    try cursor.expect(UInt8(ascii: ":"), "a colon")
    cursor.skipBlanks()
    return member
  }

  private static func member(_ name: UnsafeRawBufferPointer) -> Members? {
    switch name.count {
    case 5:
      if matches(name, "topic") { return .topic }
      return matches(name, "state") ? .state : nil
    case 9: return matches(name, "timestamp") ? .timestamp : nil
    case 13: return matches(name, "originator_id") ? .originatorID : nil
    case 18: return matches(name, "originator_version") ? .originatorVersion : nil
    default: return nil
    }
  }

  @inline(__always)
  private static func matches(_ name: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
    for index in 0..<name.count where name[index] != text.utf8Start[index] { return false }
    return true
  }

  /// A key for a message: not more than a few words of it.
  private static func shown(_ name: UnsafeRawBufferPointer) -> String {
    name.count <= 64
      ? String(decoding: name, as: UTF8.self).shown : String(decoding: name.prefix(60), as: UTF8.self).shown + "…"
  }

  private mutating func originatorID() throws(JSONFault) -> OriginatorID {
    let start = cursor.offset
    guard cursor.next == UInt8(ascii: "\""), let text = Optional(try cursor.string()), !text.hasEscapes,
      let id = OriginatorID(canonical: cursor.slice(text.start, text.end))
    else { throw cursor.fault("“originator_id” is not a UUID in its canonical form", at: start) }
    return id
  }

  private mutating func originatorVersion() throws(JSONFault) -> Int64 {
    let start = cursor.offset
    let kind = try cursor.skipValue()
    var result: Int64 = 0
    guard kind == .number else { throw cursor.fault("“originator_version” is not an integer", at: start) }
    for byte in cursor.slice(start, cursor.offset) {
      guard JSONCursor.isDigit(byte) else {
        throw cursor.fault("“originator_version” is not an integer from 0, written in digits", at: start)
      }
      let (tens, overflow) = result.multipliedReportingOverflow(by: 10)
      let (sum, overflows) = tens.addingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
      guard !overflow, !overflows else {
        throw cursor.fault("“originator_version” is larger than \(Int64.max)", at: start)
      }
      result = sum
    }
    return result
  }

  private mutating func topicText() throws(JSONFault) -> UnsafeRawBufferPointer {
    let start = cursor.offset
    guard cursor.next == UInt8(ascii: "\"") else { throw cursor.fault("“topic” is not a string", at: start) }
    let text = try cursor.string()
    var result = cursor.slice(text.start, text.end)
    if text.hasEscapes {
      let unescaped = cursor.unescaped(text)
      // A lone surrogate stands for no character.
      guard String(validating: unescaped, as: UTF8.self) != nil else {
        throw cursor.fault("“topic” holds half a surrogate pair", at: start)
      }
      topic.removeAll()
      unescaped.withUnsafeBytes { topic.append($0) }
      result = topic.bytes
    }
    guard (1...StorageLimits.topic).contains(result.count) else {
      throw cursor.fault(
        "“topic” has \(result.count) bytes of UTF-8, not 1 to \(StorageLimits.topic)", at: start)
    }
    return result
  }

  /// With its quotes, as it is written.
  private mutating func timestampText() throws(JSONFault) -> UnsafeRawBufferPointer {
    let start = cursor.offset
    guard cursor.next == UInt8(ascii: "\"") else {
      throw cursor.fault("“timestamp” is not a string in the form of ISO 8601", at: start)
    }
    let text = try cursor.string()
    let isValid =
      text.hasEscapes
      ? cursor.unescaped(text).withUnsafeBytes { ISO8601Text.isValid($0) }
      : ISO8601Text.isValid(cursor.slice(text.start, text.end))
    guard isValid else {
      throw cursor.fault("“timestamp” is not in the form of ISO 8601, like 2013-11-07T08:18:29.000Z", at: start)
    }
    return cursor.slice(start, cursor.offset)
  }

  private mutating func stateText() throws(JSONFault) -> UnsafeRawBufferPointer {
    let start = cursor.offset
    guard try cursor.skipValue() == .object else { throw cursor.fault("“state” is not a JSON object", at: start) }
    return cursor.slice(start, cursor.offset)
  }
}

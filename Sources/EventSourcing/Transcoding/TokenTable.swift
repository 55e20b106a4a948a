import Synchronization

/// One JSON value of a text: where it stands and where the next one begins.
///
/// ```
///  0        4        8        12    13    14    16
/// ┌────────┬────────┬────────┬─────┬─────┬─────┐
/// │ start  │ length │ next   │kind │flags│hint │
/// └────────┴────────┴────────┴─────┴─────┴─────┘
/// ```
///
/// An object's token is followed by its members, key token and value token(s) in turn, an array's by its elements; `next`
/// passes over all of them.
struct JSONToken {
  enum Kind: UInt8 {
    case null, `false`, `true`
    /// Digits with an optional minus.
    case integer
    /// A number with a fraction or an exponent.
    case float
    /// `NaN`, `Infinity` or `-Infinity`, which the reference library writes and reads.
    case constant
    case string
    /// A string that has escapes.
    case escapedString
    case array, object
  }

  /// The first byte; of a string, the first after the quotation mark.
  var start: UInt32
  /// Bytes, without quotation marks; of an array or object, its elements or members.
  var length: UInt32
  /// The index of the token after this value.
  var next: UInt32
  var kind: Kind
  /// Of an object: whether a key is there more than once (the last one counts), or so many keys that nobody looked.
  var needsFullScan: Bool
  /// Of an object: where the next key is expected, counted in tokens from the object's. Keys are mostly asked for in order.
  var hint: UInt16
}

/// The tokens of one JSON text, made in one pass over its UTF-8, and what is read from them.
///
/// The tokens' memory is kept from text to text. The bytes are borrowed while a text is decoded; if somebody kept a decoder
/// beyond that, ``detach()`` copies them, so that it stays valid.
///
/// Not synchronised by itself: a table belongs to one task at a time, and goes from one to another only through the lock of
/// ``TokenTables``.
final class TokenTable: @unchecked Sendable {
  /// Containers may be nested so deep, and no deeper.
  static let maximumDepth = 512
  /// A text may be so long: 1 GiB.
  static let maximumLength = 1 << 30
  /// An object with more members is looked up through a dictionary.
  static let scanLimit = 64

  private(set) var base: UnsafePointer<UInt8>
  private(set) var byteCount = 0
  private(set) var tokens: UnsafeMutablePointer<JSONToken>
  private(set) var count = 0
  private var capacity: Int
  private var ownedBytes: UnsafeMutablePointer<UInt8>?
  private var indices: [UInt32: [String: UInt32]] = [:]

  init() {
    capacity = 64
    tokens = .allocate(capacity: capacity)
    base = UnsafePointer(UnsafeRawPointer(tokens).assumingMemoryBound(to: UInt8.self))
  }

  deinit {
    tokens.deallocate()
    ownedBytes?.deallocate()
  }

  @inline(__always)
  subscript(index: Int) -> JSONToken { tokens[index] }

  @inline(__always)
  func setHint(_ object: Int, _ hint: Int) {
    tokens[object].hint = hint <= 0xFFFF ? UInt16(truncatingIfNeeded: hint) : 0
  }

  /// The bytes of a string or a number.
  @inline(__always)
  func bytes(of token: JSONToken) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: base + Int(token.start), count: Int(token.length))
  }

  /// Makes the tokens of a text, in place of those that were there.
  ///
  /// - Throws: ``EventSourcingError/Code/decoding`` if it is not one JSON value, with the offset of the first wrong byte.
  func parse(_ text: UnsafeRawBufferPointer) throws(EventSourcingError) {
    count = 0
    if !indices.isEmpty { indices.removeAll() }
    guard let start = text.baseAddress, !text.isEmpty else {
      byteCount = 0
      throw EventSourcingError(.decoding, "The JSON text is empty.", path: "")
    }
    guard text.count <= Self.maximumLength else {
      byteCount = 0
      throw EventSourcingError(.decoding, "The JSON text is longer than 1 GiB.", path: "")
    }
    base = start.assumingMemoryBound(to: UInt8.self)
    byteCount = text.count
    var scanner = JSONScanner(table: self, base: base, end: text.count)
    try scanner.scan()
  }

  @inline(__always)
  func append(_ token: JSONToken) -> Int {
    if count == capacity { grow() }
    (tokens + count).initialize(to: token)
    count += 1
    return count - 1
  }

  @inline(never)
  private func grow() {
    let larger = UnsafeMutablePointer<JSONToken>.allocate(capacity: capacity * 2)
    larger.update(from: tokens, count: count)
    tokens.deallocate()
    tokens = larger
    capacity *= 2
  }

  @inline(__always)
  func close(_ index: Int, members: Int, needsFullScan: Bool) {
    tokens[index].length = UInt32(truncatingIfNeeded: members)
    tokens[index].next = UInt32(truncatingIfNeeded: count)
    tokens[index].needsFullScan = needsFullScan
  }

  /// Copies the borrowed bytes: somebody still holds a decoder of this table.
  func detach() {
    guard ownedBytes == nil else { return }
    let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(byteCount, 1))
    copy.update(from: base, count: byteCount)
    ownedBytes = copy
    base = UnsafePointer(copy)
  }

  /// Whether the table has grown so large that it is not worth keeping.
  var isOversized: Bool { capacity > 1 << 14 }

  /// The value tokens of a large object by key; the last of equal keys counts.
  func index(ofObject object: Int) -> [String: UInt32] {
    if let known = indices[UInt32(object)] { return known }
    var made: [String: UInt32] = [:]
    made.reserveCapacity(Int(tokens[object].length))
    var key = object + 1
    let end = Int(tokens[object].next)
    while key < end {
      if let name = string(at: key) { made[name] = UInt32(key + 1) }
      key = Int(tokens[key + 1].next)
    }
    indices[UInt32(object)] = made
    return made
  }
}

/// Keeps token tables for reuse.
enum TokenTables {
  private static let pool = Mutex<[TokenTable]>([])

  /// Parses a text and shows its tokens to `body`.
  static func withTable<R>(of text: UnsafeRawBufferPointer, _ body: (TokenTable) throws -> R) throws -> R {
    var table = take()
    defer { give(&table) }
    try table.parse(text)
    return try body(table)
  }

  /// A table, for one task alone, until it is given back.
  static func take() -> TokenTable {
    pool.withLock { $0.popLast() } ?? TokenTable()
  }

  /// Takes a table back, unless a decoder of it was kept: that one gets the bytes, and the table goes with it.
  static func give(_ table: inout TokenTable) {
    guard isKnownUniquelyReferenced(&table) else {
      table.detach()
      return
    }
    guard !table.isOversized else { return }
    let returned = table
    pool.withLock { if $0.count < 16 { $0.append(returned) } }
  }
}

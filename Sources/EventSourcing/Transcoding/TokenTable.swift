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

  /// What is read and written on the way, behind one pointer: no access to it is checked for exclusivity.
  struct Memory {
    var base: UnsafePointer<UInt8>
    var byteCount: Int
    var tokens: UnsafeMutablePointer<JSONToken>
    var count: Int
    var capacity: Int
    /// The containers that are open while a text is scanned: room for the deepest nesting.
    let open: UnsafeMutablePointer<JSONScanner.Open>
  }

  let memory: UnsafeMutablePointer<Memory>
  private var ownedBytes: UnsafeMutablePointer<UInt8>?
  private var indices: [UInt32: [String: UInt32]] = [:]
  private var hasIndices = false

  init() {
    let capacity = 64
    let tokens = UnsafeMutablePointer<JSONToken>.allocate(capacity: capacity)
    memory = .allocate(capacity: 1)
    memory.initialize(
      to: Memory(
        base: UnsafePointer(UnsafeRawPointer(tokens).assumingMemoryBound(to: UInt8.self)), byteCount: 0, tokens: tokens,
        count: 0, capacity: capacity, open: .allocate(capacity: Self.maximumDepth + 1)))
  }

  deinit {
    memory.pointee.tokens.deallocate()
    memory.pointee.open.deallocate()
    memory.deallocate()
    ownedBytes?.deallocate()
  }

  @inline(__always)
  var base: UnsafePointer<UInt8> { memory.pointee.base }
  @inline(__always)
  var tokens: UnsafeMutablePointer<JSONToken> { memory.pointee.tokens }
  @inline(__always)
  var count: Int { memory.pointee.count }

  @inline(__always)
  subscript(index: Int) -> JSONToken { memory.pointee.tokens[index] }

  @inline(__always)
  func setHint(_ object: Int, _ hint: Int) {
    memory.pointee.tokens[object].hint = hint <= 0xFFFF ? UInt16(truncatingIfNeeded: hint) : 0
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
    memory.pointee.count = 0
    memory.pointee.byteCount = 0
    if hasIndices {
      indices.removeAll()
      hasIndices = false
    }
    guard let start = text.baseAddress, !text.isEmpty else {
      throw EventSourcingError(.decoding, "The JSON text is empty.", path: "")
    }
    guard text.count <= Self.maximumLength else {
      throw EventSourcingError(.decoding, "The JSON text is longer than 1 GiB.", path: "")
    }
    memory.pointee.base = start.assumingMemoryBound(to: UInt8.self)
    memory.pointee.byteCount = text.count
    var scanner = JSONScanner(memory)
    try scanner.scan()
    memory.pointee.count = scanner.count
  }

  /// Copies the borrowed bytes: somebody still holds a decoder of this table.
  func detach() {
    guard ownedBytes == nil else { return }
    let count = memory.pointee.byteCount
    let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(count, 1))
    copy.update(from: base, count: count)
    ownedBytes = copy
    memory.pointee.base = UnsafePointer(copy)
  }

  /// Whether the table has grown so large that it is not worth keeping.
  var isOversized: Bool { memory.pointee.capacity > 1 << 14 }

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
    hasIndices = true
    return made
  }
}

/// Keeps token tables for reuse.
enum TokenTables {
  private static let pool = Mutex<[TokenTable]>([])

  /// Stands where a table was given back. Never parsed into.
  static let none = TokenTable()

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

import SegmentStorage

/// Events of bank accounts, some 310 bytes of JSON each, interleaved over the accounts: a pure function of their number.
///
/// Like what an application stores: a few words that repeat, names, amounts, a point in time, a random UUID and a hash
/// chain's 64 digits, which no compressor makes smaller.
struct BankWorkload: Workload {
  let eventCount: Int
  let originators: Int
  private let stride: Int
  private var index = 0

  private static let topics: [[UInt8]] = [
    "Bank.AccountOpened", "Bank.MoneyDeposited", "Bank.MoneyWithdrawn", "Bank.TransferSent", "Bank.TransferReceived",
  ].map { Array($0.utf8) }
  private static let givenNames = [
    "Agnes", "Bram", "Chiara", "Dorota", "Emeka", "Fatima", "Goran", "Hanna", "Isamu", "Jolanda", "Kofi", "Leena",
    "Marek", "Noor", "Ottilie", "Pavel", "Rania", "Siobhan", "Tadeusz", "Ursula", "Vikram", "Wanda", "Yara", "Zeno",
  ]
  private static let familyNames = [
    "Abbott", "Baptiste", "Castellano", "Dijkstra", "Engström", "Fofana", "Gallagher", "Horváth", "Iqbal", "Jansen",
    "Kaczmarek", "Lindqvist", "Mbeki", "Nowak", "Ozturk", "Petrova", "Ramaswamy", "Santos", "Takahashi", "Urbano",
    "Villanueva", "Watanabe", "Yamamoto", "Zimmermann",
  ]
  private static let currencies = ["EUR", "USD", "GBP", "SEK", "PLN"]
  private static let channels = ["branch", "mobile", "terminal", "web"]

  init(eventCount: Int, originators: Int) {
    self.eventCount = eventCount
    self.originators = max(1, min(originators, eventCount))
    // Any number without a common divisor visits every account once a round.
    let count = self.originators
    stride = [7919, 104_729, 15_485_863].first { !count.isMultiple(of: $0) } ?? 1
  }

  var description: String {
    "\(Numbers.grouped(eventCount)) bank events of \(Numbers.grouped(originators)) originators, interleaved"
  }

  mutating func rewind() { index = 0 }

  mutating func fill(_ block: inout EventBlock, _ count: Int) {
    block.removeAll()
    var state: [UInt8] = []
    state.reserveCapacity(512)
    for number in index..<min(index + count, eventCount) {
      state.removeAll(keepingCapacity: true)
      let round = number / originators
      let account = (number % originators * stride + round * 31) % originators
      var random = Random(seed: UInt64(number) &* 0xD6E8_FEB8_6659_FD93 &+ 1)
      let topic = round == 0 ? 0 : 1 + Int(random.next() % 4)
      Self.write(topic, number: number, version: round, account: account, &random, to: &state)
      Self.topics[topic].withUnsafeBytes { topic in
        state.withUnsafeBytes { state in
          block.add(Self.originator(account), Int64(round), topic: topic, state: state)
        }
      }
    }
    index = min(index + count, eventCount)
  }

  static func originator(_ account: Int) -> OriginatorID {
    var random = Random(seed: UInt64(account) &* 2 &+ 0xACC0)
    // A random UUID's version and variant (RFC 9562, section 5.4).
    return OriginatorID(
      high: random.next() & ~0xF000 | 0x4000, low: random.next() & ~(0b11 << 62) | 0b10 << 62)
  }

  private static func write(
    _ topic: Int, number: Int, version: Int, account: Int, _ random: inout Random, to text: inout [UInt8]
  ) {
    var owner = Random(seed: UInt64(account) ^ 0x0123_4567_89AB_CDEF)
    let ownerName = name(&owner)
    func add(_ string: String) { text.append(contentsOf: string.utf8) }
    add("{\"timestamp\":{\"ISO8601_datetime\":\"")
    add(time(number, &random))
    add("\"},\"currency\":\"\(currencies[Int(owner.next() % 5)])\",")
    if topic == 0 {
      add("\"owner\":\"\(ownerName)\",\"overdraft_limit\":\"\(owner.next() % 50 * 100).00\",\"request_id\":\"")
    } else {
      add("\"amount\":\"\(money(random.next() % 500_000))\",\"balance\":\"\(money(random.next() % 100_000_000))\",")
      switch topic {
      case 1, 2: add("\"channel\":\"\(channels[Int(random.next() % 4)])\",\"receipt_id\":\"")
      case 3: add("\"recipient\":\"\(name(&random))\",\"transfer_id\":\"")
      default: add("\"sender\":\"\(name(&random))\",\"transfer_id\":\"")
      }
    }
    for length in [8, 4, 4, 4, 12] {
      if length != 8 { text.append(UInt8(ascii: "-")) }
      hexadecimal(length, &random, to: &text)
    }
    add("\",\"originator_version\":\(version),\"__previous_hash__\":\"")
    hexadecimal(64, &random, to: &text)
    add("\"}")
  }

  private static func name(_ random: inout Random) -> String {
    let given = givenNames[Int(random.next() % UInt64(givenNames.count))]
    return given + " " + familyNames[Int(random.next() % UInt64(familyNames.count))]
  }

  private static func money(_ cents: UInt64) -> String { "\(cents / 100).\(cents % 100 / 10)\(cents % 10)" }

  /// Some seconds after the event before, from the first of March 2024 on.
  private static func time(_ number: Int, _ random: inout Random) -> String {
    let microseconds = number * 900_000 + Int(random.next() % 900_000)
    let seconds = microseconds / 1_000_000
    func padded(_ value: Int, _ width: Int) -> String {
      let digits = String(value)
      return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
    let day = seconds / 86_400
    return "2024-\(padded(3 + day / 28 % 10, 2))-\(padded(1 + day % 28, 2))T\(padded(seconds / 3600 % 24, 2)):"
      + "\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2)).\(padded(microseconds % 1_000_000, 6))+00:00"
  }

  private static func hexadecimal(_ count: Int, _ random: inout Random, to text: inout [UInt8]) {
    let digits: StaticString = "0123456789abcdef"
    var left = count
    while left > 0 {
      var word = random.next()
      for _ in 0..<min(16, left) {
        text.append(digits.utf8Start[Int(word & 15)])
        word >>= 4
      }
      left -= min(16, left)
    }
  }
}

/// Numbers that look random and come again with their seed: SplitMix64 (Steele, Lea and Flood, 2014).
struct Random {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

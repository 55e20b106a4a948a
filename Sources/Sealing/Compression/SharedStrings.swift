/// Finds the strings that samples of many originators share.
///
/// From every place the longest shared string is found by steps of halved length: whether `length + step` bytes from there
/// are shared is counted for all places at once in one hash table a step. A string that is shared has shared beginnings, so
/// equal strings take the same steps and are counted together. Memory and time are linear in the samples' size.
struct SharedStrings {
  /// A sample in the text. Samples of one originator are neighbours.
  struct Sample {
    var originator: UInt32
    var start: Int
    var end: Int
  }

  /// A shared string, where it stands first, and how often the samples are cut into it.
  struct Token {
    var start: Int
    var length: Int
    var uses: Int
  }

  /// The shortest string that is looked for.
  static let shortest = 8
  private static let steps = [256, 128, 64, 32, 16, 8, 4, 2, 1]

  private let text: UnsafeRawBufferPointer
  private let samples: [Sample]
  private let minimumOriginators: UInt32

  init(text: UnsafeRawBufferPointer, samples: [Sample], minimumOriginators: UInt32) {
    self.text = text
    self.samples = samples
    self.minimumOriginators = minimumOriginators
  }

  /// The strings that the samples are cut into, each of which was seen, byte for byte, with enough originators.
  func tokens() -> [Token] {
    guard text.count >= Self.shortest else { return [] }
    let lengths = longestShared()
    var table = TokenTable(text: text, capacity: text.count / Self.shortest + 1)
    for sample in samples {
      var place = sample.start
      while place < sample.end {
        let length = Int(lengths[place])
        // A longer string one place on is worth a literal here.
        if length == 0 || (place + 1 < sample.end && Int(lengths[place + 1]) > length) {
          place += 1
          continue
        }
        table.count(place, length, sample.originator)
        place += length
      }
    }
    return table.tokens(minimumOriginators: minimumOriginators)
  }

  /// For every place of the text the length of the longest shared string from there, within its sample; 0 if below eight.
  private func longestShared() -> [UInt16] {
    var lengths = [UInt16](repeating: 0, count: text.count)
    var counter = OriginatorCounter(capacity: text.count)
    let eight = Self.shortest
    for sample in samples {
      var place = sample.start
      while place + eight <= sample.end {
        counter.count(gram(place), sample.originator)
        place += 1
      }
    }
    for sample in samples {
      var place = sample.start
      while place + eight <= sample.end {
        if counter.originators(gram(place)) >= minimumOriginators { lengths[place] = UInt16(eight) }
        place += 1
      }
    }

    // All eight-byte strings within a shared string are shared: a run of such places bounds how far it can reach.
    var reach = [Int32](repeating: 0, count: text.count)
    for sample in samples {
      var end = sample.end
      for place in stride(from: sample.end - 1, through: sample.start, by: -1) {
        if lengths[place] == 0 { end = place + eight - 1 }
        reach[place] = Int32(truncatingIfNeeded: min(end, sample.end))
      }
    }

    let hashes = PrefixHashes(text)
    for step in Self.steps {
      counter.clear()
      for sample in samples {
        for place in sample.start..<sample.end where lengths[place] > 0 {
          let length = Int(lengths[place]) + step
          if place + length <= Int(reach[place]) { counter.count(hashes.hash(place, length), sample.originator) }
        }
      }
      for sample in samples {
        for place in sample.start..<sample.end where lengths[place] > 0 {
          let length = Int(lengths[place]) + step
          if place + length <= Int(reach[place]), counter.originators(hashes.hash(place, length)) >= minimumOriginators
          {
            lengths[place] = UInt16(truncatingIfNeeded: length)
          }
        }
      }
    }
    return lengths
  }

  @inline(__always)
  private func gram(_ place: Int) -> UInt64 {
    mix(text.loadUnaligned(fromByteOffset: place, as: UInt64.self))
  }
}

/// Spreads the bits of a word.
@inline(__always)
private func mix(_ word: UInt64) -> UInt64 {
  let first = (word ^ (word >> 32)) &* 0xd6e8_feb8_6659_fd93
  let second = (first ^ (first >> 32)) &* 0xd6e8_feb8_6659_fd93
  return max(1, second ^ (second >> 32))
}

/// Hashes of all strings of a text, each in constant time: a polynomial modulo 2⁶⁴ over prefixes.
private struct PrefixHashes {
  private var prefixes: [UInt64]
  private var powers: [UInt64]

  init(_ text: UnsafeRawBufferPointer) {
    let base: UInt64 = 0x9e37_79b9_7f4a_7c15
    prefixes = [UInt64](repeating: 0, count: text.count + 1)
    var value: UInt64 = 0
    for place in 0..<text.count {
      value = value &* base &+ UInt64(text[place]) &+ 1
      prefixes[place + 1] = value
    }
    powers = [UInt64](repeating: 1, count: 1024)
    for exponent in 1..<1024 { powers[exponent] = powers[exponent - 1] &* base }
  }

  @inline(__always)
  func hash(_ place: Int, _ length: Int) -> UInt64 {
    mix(prefixes[place + length] &- prefixes[place] &* powers[length] &+ UInt64(truncatingIfNeeded: length))
  }
}

/// With how many originators each hash came, in an open-addressing table. Originators come in runs.
private struct OriginatorCounter {
  private struct Entry {
    var hash: UInt64 = 0
    var last: UInt32 = 0
    var originators: UInt32 = 0
  }

  private var entries: [Entry]
  private let mask: Int

  init(capacity: Int) {
    var size = 1024
    while size < 2 * capacity { size *= 2 }
    entries = [Entry](repeating: Entry(), count: size)
    mask = size - 1
  }

  mutating func clear() {
    for index in entries.indices { entries[index] = Entry() }
  }

  @inline(__always)
  mutating func count(_ hash: UInt64, _ originator: UInt32) {
    let index = find(hash)
    if entries[index].hash == 0 {
      entries[index] = Entry(hash: hash, last: originator, originators: 1)
    } else if entries[index].last != originator {
      entries[index].last = originator
      entries[index].originators += 1
    }
  }

  @inline(__always)
  func originators(_ hash: UInt64) -> UInt32 { entries[find(hash)].originators }

  /// The hash's entry, or the empty one where it belongs.
  @inline(__always)
  private func find(_ hash: UInt64) -> Int {
    var index = Int(truncatingIfNeeded: hash) & mask
    while entries[index].hash != 0, entries[index].hash != hash { index = (index + 1) & mask }
    return index
  }
}

/// The strings that samples are cut into, compared byte for byte: what stands in a dictionary must not rest on a hash.
private struct TokenTable {
  private struct Entry {
    var start = 0
    var length = 0
    var uses = 0
    var last: UInt32 = 0
    var originators: UInt32 = 0
  }

  private let text: UnsafeRawBufferPointer
  private let mask: Int
  private var entries: [Entry]

  init(text: UnsafeRawBufferPointer, capacity: Int) {
    self.text = text
    var size = 1024
    while size < 2 * capacity { size *= 2 }
    mask = size - 1
    entries = [Entry](repeating: Entry(), count: size)
  }

  mutating func count(_ start: Int, _ length: Int, _ originator: UInt32) {
    let bytes = UnsafeRawBufferPointer(rebasing: text[start..<(start + length)])
    var hash = UInt64(truncatingIfNeeded: length)
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    var index = Int(truncatingIfNeeded: mix(hash)) & mask
    while entries[index].length != 0 {
      let entry = entries[index]
      if entry.length == length, text[entry.start..<(entry.start + length)].elementsEqual(bytes) { break }
      index = (index + 1) & mask
    }
    if entries[index].length == 0 {
      entries[index] = Entry(start: start, length: length, uses: 0, last: originator, originators: 1)
    }
    entries[index].uses += 1
    if entries[index].last != originator {
      entries[index].last = originator
      entries[index].originators += 1
    }
  }

  /// The strings with enough originators, in the order of the text.
  func tokens(minimumOriginators: UInt32) -> [SharedStrings.Token] {
    entries.lazy.filter { $0.length > 0 && $0.originators >= minimumOriginators }
      .map { SharedStrings.Token(start: $0.start, length: $0.length, uses: $0.uses) }
      .sorted { $0.start < $1.start }
  }
}

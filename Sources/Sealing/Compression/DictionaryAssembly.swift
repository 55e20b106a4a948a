/// Chooses among shared strings and lays them out as a dictionary.
///
/// A string is worth the bytes that it saves in all samples, and only those that nothing chosen before saves already: of
/// two strings that differ at their ends, the second adds its end alone. That is counted by grams, the six-byte strings
/// within. The most valuable is chosen first, until what is left saves too little for the room it takes: a small
/// dictionary stays in the processor's cache, and in the compressor's table of 4,096 places.
struct DictionaryAssembly {
  private struct Candidate {
    var start: Int
    var length: Int
    var value: Int
  }

  /// As many bytes as the compressor's hash looks at, and one more.
  private static let gram = 6
  /// A gap of so few bytes that are in the dictionary already is always filled.
  private static let shortGap = 8
  /// A match costs a token and an offset, three bytes, and time that is worth as much again.
  private static let costOfMatch = 6

  /// A piece must have saved its own length within so many samples. Measured on JSON events of 350 bytes: 128 loses
  /// three bytes for each, 512 gains one and costs 90 ns.
  private static let patience = 256

  private let text: UnsafeRawBufferPointer
  private let sampleCount: Int
  /// How often each gram is used by the samples.
  private let frequencies: [UInt64: Int]
  /// The same of the grams that are not in the dictionary yet.
  private var weights: [UInt64: Int]
  private var candidates: [Candidate] = []

  /// At most `maximumSize` bytes of the most useful strings, the most useful last: LZ4 keeps the last place of a beginning.
  static func assemble(
    _ tokens: [SharedStrings.Token], text: UnsafeRawBufferPointer, sampleCount: Int, maximumSize: Int
  ) -> [UInt8] {
    var assembly = DictionaryAssembly(tokens, text: text, sampleCount: sampleCount)
    return assembly.choose(maximumSize: maximumSize)
  }

  private init(_ tokens: [SharedStrings.Token], text: UnsafeRawBufferPointer, sampleCount: Int) {
    self.text = text
    self.sampleCount = sampleCount
    var frequencies: [UInt64: Int] = [:]
    for token in tokens {
      for place in token.start...(token.start + token.length - Self.gram) {
        frequencies[Self.gram(text, place), default: 0] += token.uses
      }
    }
    self.frequencies = frequencies
    weights = frequencies
    candidates = tokens.map { Candidate(start: $0.start, length: $0.length, value: 0) }
    for index in candidates.indices { candidates[index].value = value(of: candidates[index]) }
  }

  private mutating func choose(maximumSize: Int) -> [UInt8] {
    var heap = candidates
    heap.sort { Self.isBefore($0, $1) }
    var pieces: [Range<Int>] = []
    var size = 0
    // Values only fall. The best of the old order is chosen if its new value still beats the next one's old value;
    // else it goes back into line.
    var queue = PriorityQueue(heap) { Self.isBefore($0, $1) }
    while var best = queue.pop() {
      best.value = value(of: best)
      if let next = queue.first, Self.isBefore(next, best) {
        if best.value > 0 { queue.push(best) }
        continue
      }
      for piece in missing(best) {
        let worth = piece.reduce(0) { $0 + ($1 + Self.gram <= piece.upperBound ? weights[gram($1)] ?? 0 : 0) }
        guard worth * Self.patience >= piece.count * sampleCount, size + piece.count <= maximumSize else { continue }
        pieces.append(piece)
        size += piece.count
        for place in piece.lowerBound...(piece.upperBound - Self.gram) { weights[gram(place)] = 0 }
      }
    }
    var result: [UInt8] = []
    result.reserveCapacity(size)
    for piece in pieces.reversed() { result.append(contentsOf: text[piece]) }
    return result
  }

  private static func isBefore(_ left: Candidate, _ right: Candidate) -> Bool {
    (left.value, right.start) > (right.value, left.start)
  }

  /// What the grams of a string that are not in the dictionary yet would save.
  private func value(of candidate: Candidate) -> Int {
    var sum = 0
    for place in candidate.start...(candidate.start + candidate.length - Self.gram) { sum += weights[gram(place)] ?? 0 }
    return sum
  }

  /// The parts of a string whose grams are not in the dictionary yet. A part of a shared string is shared.
  ///
  /// Bytes beside or between such parts are repeated where that is worth it: a match that goes on saves the next one.
  private func missing(_ candidate: Candidate) -> [Range<Int>] {
    let end = candidate.start + candidate.length
    var parts: [Range<Int>] = []
    for place in candidate.start...(end - Self.gram) where weights[gram(place)] ?? 0 > 0 {
      let grown = place..<(place + Self.gram)
      if let last = parts.last {
        if place - last.upperBound <= repeatable(beside: last.upperBound - Self.gram, place) {
          parts[parts.count - 1] = last.lowerBound..<grown.upperBound
        } else {
          parts.append(grown)
        }
      } else {
        parts.append(
          place - candidate.start <= repeatable(beside: place, place) ? candidate.start..<grown.upperBound : grown)
      }
    }
    if let last = parts.last, end - last.upperBound <= repeatable(beside: last.upperBound - Self.gram, last.lowerBound)
    {
      parts[parts.count - 1] = last.lowerBound..<end
    }
    return parts
  }

  /// How many bytes may be repeated to join what two grams begin or end: as often as they are used, a match is saved.
  private func repeatable(beside first: Int, _ second: Int) -> Int {
    let uses = max(frequencies[gram(first)] ?? 0, frequencies[gram(second)] ?? 0)
    return max(Self.shortGap, Self.costOfMatch * uses * Self.patience / max(1, sampleCount))
  }

  @inline(__always)
  private func gram(_ place: Int) -> UInt64 { Self.gram(text, place) }

  @inline(__always)
  private static func gram(_ text: UnsafeRawBufferPointer, _ place: Int) -> UInt64 {
    UInt64(text.loadUnaligned(fromByteOffset: place, as: UInt32.self))
      | UInt64(text.loadUnaligned(fromByteOffset: place + 4, as: UInt16.self)) << 32
  }
}

/// A binary heap.
private struct PriorityQueue<Element> {
  private var elements: [Element]
  private let isBefore: (Element, Element) -> Bool

  /// `sorted` is in order already.
  init(_ sorted: [Element], _ isBefore: @escaping (Element, Element) -> Bool) {
    elements = sorted
    self.isBefore = isBefore
  }

  var first: Element? { elements.first }

  mutating func push(_ element: Element) {
    elements.append(element)
    var child = elements.count - 1
    while child > 0, isBefore(elements[child], elements[(child - 1) / 2]) {
      elements.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> Element? {
    guard let last = elements.popLast() else { return nil }
    guard let first = elements.first else { return last }
    elements[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      if child >= elements.count { return first }
      if child + 1 < elements.count, isBefore(elements[child + 1], elements[child]) { child += 1 }
      if !isBefore(elements[child], elements[parent]) { return first }
      elements.swapAt(child, parent)
      parent = child
    }
  }
}

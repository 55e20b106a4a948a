/// Chooses among shared strings and lays them out as a dictionary.
enum DictionaryAssembly {
  private struct Candidate {
    var start: Int
    var length: Int
    var saving: Int
  }

  /// A match costs a token and an offset.
  private static let costOfMatch = 3

  /// At most `maximumSize` bytes of the most useful strings, the most useful last: LZ4 keeps the last place of a beginning.
  static func assemble(_ tokens: [SharedStrings.Token], text: UnsafeRawBufferPointer, maximumSize: Int) -> [UInt8] {
    var candidates: [Candidate] = []
    for token in tokens {
      candidates.append(
        Candidate(start: token.start, length: token.length, saving: token.uses * (token.length - costOfMatch)))
    }
    candidates = withoutContained(candidates, text)
    candidates.sort { ($0.saving, -$0.start) > ($1.saving, -$1.start) }

    var chosen: [Candidate] = []
    var size = 0
    for candidate in candidates where size + candidate.length <= maximumSize {
      chosen.append(candidate)
      size += candidate.length
    }
    var result: [UInt8] = []
    result.reserveCapacity(size)
    for candidate in chosen.reversed() {
      result.append(contentsOf: text[candidate.start..<(candidate.start + candidate.length)])
    }
    return result
  }

  /// Drops strings that stand within longer ones; those inherit what they save.
  private static func withoutContained(_ candidates: [Candidate], _ text: UnsafeRawBufferPointer) -> [Candidate] {
    var kept: [Candidate] = []
    // Where the strings kept so far have each eight bytes: the string's index and the place in the text.
    var places: [UInt64: [(owner: Int, place: Int)]] = [:]
    for candidate in candidates.sorted(by: { ($0.length, -$0.start) > ($1.length, -$1.start) }) {
      let bytes = UnsafeRawBufferPointer(rebasing: text[candidate.start..<(candidate.start + candidate.length)])
      let beginning = bytes.loadUnaligned(as: UInt64.self)
      let container = places[beginning]?.first { found in
        let end = kept[found.owner].start + kept[found.owner].length
        return found.place + candidate.length <= end
          && text[found.place..<(found.place + candidate.length)].elementsEqual(bytes)
      }
      if let container {
        kept[container.owner].saving += candidate.saving
        continue
      }
      for offset in 0...(candidate.length - SharedStrings.shortest) {
        let gram = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        places[gram, default: []].append((kept.count, candidate.start + offset))
      }
      kept.append(candidate)
    }
    return kept
  }
}

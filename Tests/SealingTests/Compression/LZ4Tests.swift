import Sealing
import Testing

@Suite struct LZ4Tests {
  static func compress(_ plain: [UInt8], _ dictionary: CompressionDictionary? = nil) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: LZ4.bound(plain.count))
    let length = plain.withUnsafeBytes { plain in
      block.withUnsafeMutableBytes { block in
        if let dictionary {
          LZ4.compress(plain, into: block, dictionary: dictionary)
        } else {
          LZ4.compress(plain, into: block)
        }
      }
    }
    return Array(block[..<length])
  }

  static func decompress(_ block: [UInt8], room: Int, _ dictionary: CompressionDictionary? = nil) -> [UInt8]? {
    var plain = [UInt8](repeating: 0, count: room + 1)
    let length = block.withUnsafeBytes { block in
      plain.withUnsafeMutableBytes { plain in
        let plain = UnsafeMutableRawBufferPointer(rebasing: plain[..<room])
        if let dictionary { return LZ4.decompress(block, into: plain, dictionary: dictionary) }
        return LZ4.decompress(block, into: plain)
      }
    }
    #expect(plain[room] == 0, "nothing may be written beyond the end")
    return length < 0 ? nil : Array(plain[..<length])
  }

  @Test func blocksOfAnotherImplementation() throws {
    let vectors = try Vectors("lz4-blocks")
    #expect(vectors.rows.count == 18)
    for row in vectors.rows {
      let (content, plain, block) = (row.bytes(0)!, row.bytes(1)!, row.bytes(2)!)
      let dictionary = content.isEmpty ? nil : try CompressionDictionary(number: 1, content: content)
      #expect(Self.decompress(block, room: max(plain.count, 1), dictionary) == plain)
      let own = Self.compress(plain, dictionary)
      #expect(Self.decompress(own, room: max(plain.count, 1), dictionary) == plain)
      if plain.count > 1 { #expect(Self.decompress(block, room: plain.count - 1, dictionary) == nil) }
    }
  }

  @Test func aBlockThatDoesNotFitIsRefused() throws {
    var random = SeededGenerator(seed: 5)
    let plain = random.bytes(300)
    let dictionary = try CompressionDictionary(number: 1, content: Array("dictionary".utf8))
    for room in [0, 1, 100, 299] {
      var block = [UInt8](repeating: 0xaa, count: room + 1)
      let length = plain.withUnsafeBytes { plain in
        block.withUnsafeMutableBytes { block in
          let block = UnsafeMutableRawBufferPointer(rebasing: block[..<room])
          return LZ4.compress(plain, into: block) + LZ4.compress(plain, into: block, dictionary: dictionary)
        }
      }
      #expect(length == 0)
      #expect(block[room] == 0xaa)
    }
    // A state that refused once serves again.
    #expect(Self.decompress(Self.compress(plain), room: 300) == plain)
    #expect(LZ4.bound(-1) == 0 && LZ4.bound(Int.max) == 0)
  }

  @Test func damagedBlocksNeverReachBeyondTheirBuffers() throws {
    var random = SeededGenerator(seed: 6)
    let dictionary = try CompressionDictionary(number: 1, content: random.bytes(2_000))
    let good = Self.compress(
      Array(repeating: Array("an event and another event ".utf8), count: 20).flatMap { $0 }, dictionary)
    for _ in 0..<20_000 {
      var block = good
      for _ in 0...(random.next() % 3) {
        block[Int(random.next() % UInt64(block.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      block.removeLast(Int(random.next() % 4))
      _ = Self.decompress(block, room: 540, dictionary)
      _ = Self.decompress(block, room: 540)
    }
  }

  @Test func dictionariesAreChecked() throws {
    #expect(code { _ = try CompressionDictionary(number: 0, content: [1]) } == .malformed)
    #expect(
      code { _ = try CompressionDictionary(number: 1, content: [UInt8](repeating: 0, count: 65_537)) } == .tooLarge)
    let empty = try CompressionDictionary(number: 1, content: [])
    #expect(Self.decompress(Self.compress(Array("abcabcabc".utf8), empty), room: 9, empty) == Array("abcabcabc".utf8))
    let full = try CompressionDictionary(number: 7, content: [UInt8](repeating: 3, count: 65_536))
    #expect(full.content.count == 65_536 && full.withUnsafeBytes { $0.count } == 65_536)
    let registry = DictionaryRegistry()
    #expect(registry.current == nil)
    registry.register(full)
    registry.register(empty)
    #expect(registry.current?.number == 7)
    #expect(registry.dictionary(1) === empty && registry.dictionary(2) == nil)
    registry.register(try CompressionDictionary(number: 1, content: [9]))
    #expect(registry.dictionary(1) === empty, "a number keeps its content")
  }
}

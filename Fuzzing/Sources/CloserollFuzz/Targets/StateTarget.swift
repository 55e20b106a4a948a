@testable import Sealing

/// A record's blob in a plain store, under a checksum that is right: prefix, lengths, LZ4 with and without a dictionary.
enum StateTarget {
  private static let codec: StateCodec = {
    let dictionaries = DictionaryRegistry()
    let content = Array("{\"patient\":\"XJ\",\"ward\":\"intensive care\",\"name\":\"somebody\",\"state\":null}".utf8)
    if let dictionary = try? CompressionDictionary(number: 1, content: content) { dictionaries.register(dictionary) }
    return StateCodec(epochs: nil, dictionaries: dictionaries)
  }()

  static func run(_ input: UnsafeRawBufferPointer) {
    guard let start = input.baseAddress, let (_, prefixLength) = try? StatePrefix.read(input) else { return }
    Array("ward".utf8).withUnsafeBytes { application in
      let context = StateContext(
        role: .event, application: application, originatorHigh: 1, originatorLow: 2, position: 3)
      let data = UnsafeMutableRawPointer.allocate(byteCount: AssociatedData.capacity, alignment: 16)
      defer { data.deallocate() }
      let bound = AssociatedData.write(context, to: data)
      (data + bound).copyMemory(from: start, byteCount: prefixLength)
      var tag = CRC32C.checksum(
        UnsafeRawBufferPointer(rebasing: input[prefixLength...]),
        seed: CRC32C.checksum(UnsafeRawBufferPointer(start: data, count: bound + prefixLength))
      ).littleEndian
      codec.withReader { reader in
        guard let opened = try? reader.open(blob: input, tag: &tag, context: context) else { return }
        // Every byte is one that may be read.
        let sum = opened.topic.reduce(0) { $0 &+ Int($1) } &+ opened.state.reduce(0) { $0 &+ Int($1) }
        require(sum >= 0, "a sum of bytes")
      }
    }
  }
}

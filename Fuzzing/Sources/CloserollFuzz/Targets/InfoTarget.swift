@testable import SegmentStorage

/// What stands sealed in frames and runs: segment infos, log states, commits; and heads as text.
enum InfoTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    let (control, rest) = input.control(3)
    switch control[0] & 3 {
    case 0:
      guard let info = SegmentInfo(rest) else { return }
      let buffer = RawBuffer()
      info.encode(to: buffer)
      require(SegmentInfo(buffer.bytes) == info, "an info that is not read as it was written")
    case 1:
      var reader = ByteReader(rest)
      guard var state = LogState(&reader) else { return }
      let buffer = RawBuffer()
      state.encode(to: buffer)
      var again = ByteReader(buffer.bytes)
      require(LogState(&again) == state, "a state that is not read as it was written")
      for id in [1, 5, 3, Int64.max] { state.noteDeletion(id, in: 0) }
    case 2:
      var metadata = CommitMetadata()
      var state = LogState()
      guard
        metadata.parse(rest, recordCount: Int(control[1]), names: 0, partitions: 0)
          || metadata.parse(
            rest, recordCount: Int(control[1]), names: Int(control[2]), partitions: Int(control[2] & 15))
      else { return }
      if metadata.parse(rest, recordCount: Int(control[1]), names: 0, partitions: 0) {
        var heads: ContiguousArray<Int64> = []
        if state.accepts(metadata, heads: &heads) { state.apply(metadata) }
      }
    default:
      let text = String(decoding: rest, as: UTF8.self)
      if let head = try? StoreHead(parsing: text) {
        require((try? StoreHead(parsing: head.description)) == head, "a head that is not read as it was written")
      }
      _ = HeadMark(rest)
      _ = Segment.parse(fileName: text)
      _ = RunFormat.parse(fileName: text)
    }
  }
}

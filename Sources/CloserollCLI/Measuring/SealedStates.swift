import Sealing
import SegmentStorage

/// States of a store, sealed anew into memory: what a replay opens, without a store around it.
struct SealedStates {
  private struct Entry {
    var originator: OriginatorID
    var position: Int64
    var blob: Range<Int>
    var tag: Range<Int>
  }

  private var bytes: [UInt8] = []
  private var groups: [[Entry]] = []

  /// One group an originator.
  init(of originators: [OriginatorID], in partition: Partition, of store: SegmentStore) throws {
    let codec = store.codec
    let writer = codec.makeWriter()
    for originator in originators {
      var group: [Entry] = []
      try store.readRecords(of: partition, originator: originator) { record in
        let room = codec.maximumBlobLength(topicLength: record.topic.count, stateLength: record.state.count)
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: room + 16))
        var length = 0
        try bytes.withUnsafeMutableBytes { all in
          guard let base = all.baseAddress else { return }
          let info = try writer.seal(
            topic: record.topic, state: record.state, context: Self.context(originator, record.position),
            blob: UnsafeMutableRawBufferPointer(rebasing: all[start..<(start + room)]), tag: base + start + room)
          length = info.length
          (base + start + length).copyMemory(from: base + start + room, byteCount: 16)
        }
        bytes.removeSubrange((start + length + 16)...)
        group.append(
          Entry(
            originator: originator, position: record.position, blob: start..<(start + length),
            tag: (start + length)..<(start + length + 16)))
        return true
      }
      groups.append(group)
    }
  }

  /// Opens whole groups; microseconds of each.
  func open(_ numbers: [Int], with reader: StateReader) throws -> Samples {
    var samples = Samples()
    var total = 0
    try bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      for number in numbers {
        let start = Clock.nanoseconds()
        for entry in groups[number] {
          let opened = try reader.open(
            blob: UnsafeRawBufferPointer(rebasing: bytes[entry.blob]), tag: base + entry.tag.lowerBound,
            context: Self.context(entry.originator, entry.position))
          total &+= opened.state.count
        }
        samples.append(Double(Clock.nanoseconds() - start) / 1000)
      }
    }
    guard total > 0 else { throw Failure(.data, "Opening states alone read nothing.") }
    return samples
  }

  private static func context(_ originator: OriginatorID, _ position: Int64) -> StateContext {
    StateContext(
      role: .event, application: UnsafeRawBufferPointer(start: nil, count: 0), originatorHigh: originator.high,
      originatorLow: originator.low, position: position)
  }
}

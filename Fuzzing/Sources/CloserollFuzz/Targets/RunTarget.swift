@testable import Sealing
@testable import SegmentStorage

/// A run of a plain store. Where the first byte says so, the codes of its pages are put right.
enum RunTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    let (control, rest) = input.control(1)
    var bytes = Array(rest)
    let keys = IndexKeys(plain: FrameTarget.storeID)
    let pages = bytes.count / Format.pageSize
    if control[0] & 1 != 0, pages > 0 {
      bytes.removeLast(bytes.count - pages * Format.pageSize)
      bytes.withUnsafeMutableBytes { all in
        let base = all.baseAddress.unsafelyUnwrapped
        let id = (
          base.loadUnaligned(fromByteOffset: 32, as: UInt64.self),
          base.loadUnaligned(fromByteOffset: 40, as: UInt64.self)
        )
        FrameTarget.storeID.bytes.withUnsafeBytes {
          (base + 16).copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: 16)
        }
        for page in 0..<pages {
          let start = base + page * Format.pageSize
          let code = keys.pageMAC(
            runID: id, page: UInt32(page), content: UnsafeRawBufferPointer(start: start, count: RunFormat.payload))
          start.storeBytes(of: code.littleEndian, toByteOffset: RunFormat.payload, as: UInt64.self)
        }
      }
    }
    do {
      let run = try Run(
        file: MemoryFile(bytes), name: "index-00000001-00000001.run", header: FrameTarget.header, keys: keys,
        maps: false)
      let entries = try run.allDirectoryEntries()
      for entry in entries.prefix(20) {
        _ = try run.directoryEntry(before: entry.frameOffset)
        _ = try run.directoryEntry(partition: entry.partition, id: entry.firstID)
      }
      var found: ContiguousArray<RecordLocation> = []
      for fingerprint in [0, 1, UInt64.max, 0x1234_5678_9ABC_DEF0, UInt64(control[0]) << 56] {
        try run.collect(fingerprint, into: &found)
        require(found.count < 1 << 24, "more records than a run can hold")
      }
      // What a merge does with it.
      let documents = try RunWriter.documents([.run(run)])
      _ = try RunWriter.originators([.run(run)], documents: documents, state: run.info.state, keys: keys)
      try run.verifyPages()
    } catch {
      // Refused.
    }
  }
}

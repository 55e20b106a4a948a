import Glibc
import StorageTestSupport

@testable import Sealing
@testable import SegmentStorage

/// Writes the first inputs of every target, made from a real store: `CloserollFuzz --seeds DIRECTORY`.
enum Seeds {
  static func write() {
    guard let root = CommandLine.arguments.last, root != "--seeds" else { return }
    mkdir(root, 0o755)
    for name in targets.keys { mkdir("\(root)/\(name)", 0o755) }
    func put(_ target: String, _ name: String, _ bytes: [UInt8]) {
      guard let file = fopen("\(root)/\(target)/\(name)", "w") else { return }
      fwrite(bytes, 1, bytes.count, file)
      fclose(file)
    }
    let (files, paths) = StoreTarget.store
    for path in paths {
      guard let bytes = try? files.contents(of: path) else { continue }
      if path.hasSuffix("0001-0001.log") {
        put("frames", "segment", [1] + bytes[Format.pageSize..<Format.pageSize + 6000])
      }
      if path.hasSuffix(".run") { put("run", path.split(separator: "/").last.map(String.init) ?? "run", [1] + bytes) }
    }
    let info = RawBuffer()
    var state = LogState()
    state.names = [Array("ward".utf8), Array("Ward.Event".utf8)]
    state.partitions = [LogState.PartitionEntry(application: 0, pipeline: 0, head: 9)]
    for id in [2, 5] as [Int64] { state.noteDeletion(id, in: 0) }
    state.tracking = [LogState.TrackingKey(application: 0, applicationPipeline: 0, upstream: 1, pipeline: 2): 7]
    state.encode(to: info)
    put("info", "state", [1, 0, 0] + Array(info.bytes))
    info.removeAll()
    var segment = SegmentInfo(end: 5000, lastTag: LinkTag(), lastCRC: 1, nextSequence: 9)
    segment.state = state
    segment.headsAtOpening = [4]
    segment.epochs = [
      EpochDescription(
        number: 1, rootKeyID: 1, salt: [UInt8](repeating: 1, count: 32), commitment: [UInt8](repeating: 2, count: 32))
    ]
    segment.encode(to: info)
    put("info", "segment", [0, 0, 0] + Array(info.bytes))
    put(
      "info", "commit",
      [2, 1, 0, 5, 0, 1, 4] + Array("ward".utf8) + [1, 0, 0, 1, 1, 8] + [UInt8](repeating: 3, count: 16) + [0])
    put(
      "info", "head",
      [3, 0, 0]
        + Array("\(StoreHead(storeID: FrameTarget.storeID, sequence: 1, segment: 1, end: 5000, tag: LinkTag()))".utf8))
    let key = (0..<32).map { UInt8($0) }.withUnsafeBytes { SecureBytes(copying: $0) }
    if let keyring = try? Keyring.create(storeID: [UInt8](repeating: 7, count: 16), keyEncryptionKey: key) {
      put("keyring", "one", [1] + keyring.encoded())
    }
    let texts = [
      "{\"__type__\":\"a:b\",\"x\":[1,-2.5e3,null,true]}", "{\"UUID\":\"815383cdd4d556d7a9ae04946d988cd4\"}",
      "{\"ISO8601_datetime\":\"2013-11-07T08:18:29.000000+0000\"}", "\"\\ud83d\\ude00\\u0000\"",
      "{\"__decimal__\":\"1.50\"}",
      "{\"__tuple__\":{\"topic\":\"builtins:tuple\",\"state\":[1,2]}}", "{\"__bytes__\":\"QUJD\"}", "[[[[[]]]]]",
    ]
    for (number, text) in texts.enumerated() { put("json", "\(number)", Array(text.utf8)) }
    put(
      "import", "line",
      Array(
        "{\"originator_id\":\"815383cd-d4d5-56d7-a9ae-04946d988cd4\",\"originator_version\":0,\"topic\":\"A\\u0042\",\"timestamp\":\"2013-11-07T08:18:29.000Z\",\"state\":{\"a\":[1.5e-3,\"\\n\"]}}\n\n"
          .utf8))
    let codec = StateCodec(epochs: nil, dictionaries: DictionaryRegistry())
    let text = Array(String(repeating: "{\"patient\":\"XJ\"}", count: 9).utf8)
    let context = Array("ward".utf8)
    context.withUnsafeBytes { application in
      text.withUnsafeBytes { state in
        var blob = [UInt8](repeating: 0, count: codec.maximumBlobLength(topicLength: 4, stateLength: state.count))
        var tag: UInt64 = 0
        let place = StateContext(
          role: .event, application: application, originatorHigh: 1, originatorLow: 2, position: 3)
        let info = blob.withUnsafeMutableBytes {
          try? codec.seal(topic: application, state: state, context: place, blob: $0, tag: &tag)
        }
        if let info { put("state", "lz4", Array(blob[..<info.length])) }
      }
    }
    put("state", "dictionary", [2, 1, 0x1F, 0x41, 1, 0, 0x50, 0x41, 0x42, 0x43, 0x44, 0x45])
    put("store", "one", [1, 0, 1, 7, 5, 40, 0, 1])
  }
}

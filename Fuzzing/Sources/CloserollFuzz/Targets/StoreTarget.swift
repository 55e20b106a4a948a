import StorageTestSupport

@testable import SegmentStorage

/// A whole plain store with bytes of it changed: opening, reading, verifying and salvaging it end in an answer.
///
/// The input is a list of changes: file u8 ‖ offset u16 ‖ value u8.
enum StoreTarget {
  static let store: (files: SimulatedFileSystem, paths: [String]) = {
    let files = SimulatedFileSystem(seed: 1)
    files.isTracing = false
    guard let store = try? open(files, .create), let ward = try? store.partition(application: "ward") else {
      fatalError("no store")
    }
    for position in 0..<36 {
      let commit = store.makeCommit()
      // In part incompressible, so that few commits fill more than one segment.
      var random = SplitMix64(seed: UInt64(position))
      let state = [UInt8](repeating: UInt8(position), count: 700) + (0..<1900).map { _ in UInt8(random.below(256)) }
      state.withUnsafeBytes { state in
        try? commit.add(
          to: ward, originator: OriginatorID(high: UInt64(position % 5), low: 1), position: Int64(position),
          topic: UnsafeRawBufferPointer(rebasing: state[..<3]), state: state)
        try? commit.changeDocument(in: ward, key: UnsafeRawBufferPointer(rebasing: state[..<1]), content: state)
      }
      try? commit.track(ward, upstream: "up", pipeline: 0, notificationID: Int64(position + 1))
      _ = try? store.append(commit)
    }
    try? store.close()
    return (files, files.paths(under: "store").sorted())
  }()

  private static func open(_ files: SimulatedFileSystem, _ access: StoreAccess) throws(StorageError) -> SegmentStore {
    try SegmentStore.open("store", key: .plain, options: options(files, access))
  }

  private static func options(_ files: SimulatedFileSystem, _ access: StoreAccess) -> StoreOptions {
    var options = StoreOptions()
    options.access = access
    options.segmentSize = 64 << 10
    options.runInterval = 16 << 10
    options.hasMaintenanceThread = false
    options.writesZerosAhead = false
    options.trainsDictionary = false
    options.fileSystem = files
    return options
  }

  static func run(_ input: UnsafeRawBufferPointer) {
    let files = store.files.clone()
    for start in stride(from: 0, to: min(input.count, 400) - 3, by: 4) {
      let path = store.paths[Int(input[start]) % store.paths.count]
      guard let size = try? files.contents(of: path).count, size > 0 else { continue }
      let offset = (Int(input[start + 1]) | Int(input[start + 2]) << 8) % size
      try? files.overwrite(path, at: offset, with: [input[start + 3]])
    }
    for access in [.read, .write] as [StoreAccess] {
      let copy = files.clone()
      guard let store = try? open(copy, access) else { continue }
      if let ward = try? store.partition(application: "ward") {
        _ = try? store.makeNotificationReader(ward).read { _ in true }
        for number in 0..<5 as Range<UInt64> {
          try? store.readRecords(of: ward, originator: OriginatorID(high: number, low: 1)) { _ in true }
        }
        _ = try? store.documents(in: ward, prefix: UnsafeRawBufferPointer(start: nil, count: 0))
      }
      try? store.close()
    }
    _ = try? SegmentStore.verify("store", key: .plain, options: options(files, .read))
    guard (try? SegmentStore.salvage("store", to: "copy", key: .plain, options: options(files, .create))) != nil else {
      return
    }
    let report = try? SegmentStore.verify("copy", key: .plain, options: options(files, .read))
    require(report?.isClean == true, "a copy that is not clean")
  }
}

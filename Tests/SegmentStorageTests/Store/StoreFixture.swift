import Sealing
import StorageTestSupport
import Testing

@testable import SegmentStorage

/// A store for a test: over a simulated file system unless a directory is given.
struct StoreFixture {
  static let key: [UInt8] = (0..<32).map { UInt8($0 &* 7 &+ 3) }

  var fileSystem: any FileSystem
  var path = "store"
  var isSealed = true
  var options = StoreOptions()

  init(_ fileSystem: any FileSystem, path: String = "store", isSealed: Bool = true) {
    self.fileSystem = fileSystem
    self.path = path
    self.isSealed = isSealed
    options.hasMaintenanceThread = false
    options.writesZerosAhead = false
  }

  static func provider(_ key: [UInt8] = key) -> StoreKey {
    .provider(ClosureKeyProvider { key.withUnsafeBytes { SecureBytes(copying: $0) } })
  }

  /// Gives the store's key ring another root key, which the next epochs use.
  static func addRootKey(to files: SimulatedFileSystem) throws {
    let key = key.withUnsafeBytes { SecureBytes(copying: $0) }
    let keyring = try Keyring.open(
      try files.contents(of: "store/KEYRING"), keyEncryptionKey: key, expectedStoreID: nil)
    try keyring.addingRootKey().encoded().withUnsafeBytes {
      try RunWriter.replaceFile($0, name: "KEYRING", directory: "store", fileSystem: files)
    }
  }

  func open(_ access: StoreAccess = .create) throws -> SegmentStore {
    var options = options
    options.access = access
    options.fileSystem = fileSystem
    return try SegmentStore.open(path, key: isSealed ? Self.provider() : .plain, options: options)
  }
}

/// An originator made from a number.
func originator(_ number: Int) -> OriginatorID {
  OriginatorID(high: UInt64(number) &* 0x9E37_79B9_7F4A_7C15, low: ~UInt64(number))
}

/// A state that tells which record it belongs to, and is compressible.
func stateBytes(_ originator: Int, _ position: Int, length: Int = 60) -> [UInt8] {
  var text = "{\"originator\":\(originator),\"position\":\(position),\"name\":\"somebody\",\"text\":\""
  while text.utf8.count < length { text += "abc \(originator &* 31 &+ position) " }
  return Array((text + "\"}").utf8)
}

extension SegmentStore {
  @discardableResult
  func put(
    _ partition: Partition, _ number: Int, _ positions: ClosedRange<Int>, length: Int = 60
  ) throws -> CommitReceipt {
    let commit = makeCommit()
    for position in positions {
      let state = stateBytes(number, position, length: length)
      let topic = Array("Ward.Event\(position % 3)".utf8)
      try topic.withUnsafeBytes { topic in
        try state.withUnsafeBytes { state in
          try commit.add(
            to: partition, originator: originator(number), position: Int64(position), topic: topic, state: state)
        }
      }
    }
    return try append(commit)
  }

  func states(_ partition: Partition, _ number: Int, in range: RecordRange = RecordRange()) throws -> [Int64: [UInt8]] {
    var result: [Int64: [UInt8]] = [:]
    try readRecords(of: partition, originator: originator(number), in: range) {
      result[$0.position] = Array($0.state)
      return true
    }
    return result
  }

  func notifications(_ partition: Partition, after id: Int64 = 0) throws -> [(Int64, OriginatorID, Int64, [UInt8])] {
    var result: [(Int64, OriginatorID, Int64, [UInt8])] = []
    try makeNotificationReader(partition, after: id).read {
      result.append(($0.id, $0.originator, $0.position, Array($0.state)))
      return true
    }
    return result
  }
}

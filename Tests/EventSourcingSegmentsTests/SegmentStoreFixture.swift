import Closeroll
import FoundationEssentials
import Sealing
import SegmentStorage
import StorageTestSupport

/// A store of real files for one test, in a directory that goes with it.
struct SegmentStoreFixture {
  let directory: TemporaryDirectory
  var key: StoreKey
  var options = StoreOptions()

  init(isSealed: Bool = true) throws {
    directory = try TemporaryDirectory()
    key = isSealed ? Self.key(7) : .plain
  }

  /// A key of 32 equal bytes.
  static func key(_ byte: UInt8) -> StoreKey {
    .closure { [UInt8](repeating: byte, count: 32).withUnsafeBytes { SecureBytes(copying: $0) } }
  }

  /// The store's directory, which is made when it is first opened.
  var path: String { "\(directory.path)/store" }

  func factory() throws -> SegmentInfrastructureFactory {
    try SegmentInfrastructureFactory(directory: path, key: key, options: options)
  }

  func application(_ name: String = "ward") async throws -> SegmentApplication {
    try await SegmentApplication(name: name, directory: path, key: key, options: options)
  }

  func application(_ configuration: ApplicationConfiguration) async throws -> SegmentApplication {
    try await SegmentApplication(configuration, directory: path, key: key, options: options)
  }

  /// The content of every file below the store, by its path in it.
  func files() throws -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
      let file = "\(path)/\(name)"
      var isDirectory = false
      guard FileManager.default.fileExists(atPath: file, isDirectory: &isDirectory), !isDirectory else { continue }
      result[name] = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    }
    return result
  }
}

extension [UInt8] {
  /// Whether other bytes are somewhere in these.
  func holds(_ needle: [UInt8]) -> Bool {
    guard let first = needle.first, count >= needle.count else { return false }
    return withUnsafeBufferPointer { hay in
      needle.withUnsafeBufferPointer { needle in
        for start in 0...(hay.count - needle.count) where hay[start] == first {
          if hay[start..<(start + needle.count)].elementsEqual(needle) { return true }
        }
        return false
      }
    }
  }
}

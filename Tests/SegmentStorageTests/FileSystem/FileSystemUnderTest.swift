import SegmentStorage
import StorageTestSupport
import Testing

/// The file systems that the contract suite runs over.
enum FileSystemUnderTest: String, CaseIterable, CustomTestStringConvertible {
  case linux, simulated, simulatedWithMapping

  var testDescription: String { rawValue }

  /// An empty directory in a file system of this kind.
  func makeDirectory() throws -> TestDirectory {
    switch self {
    case .linux:
      let directory = try TemporaryDirectory()
      return TestDirectory(files: LinuxFileSystem(), path: directory.path, owner: directory)
    case .simulated, .simulatedWithMapping:
      let files = SimulatedFileSystem(seed: 1, directories: ["work"])
      files.supportsMapping = self == .simulatedWithMapping
      return TestDirectory(files: files, path: "work", owner: nil)
    }
  }
}

/// A directory to work in, and the file system that it is in.
struct TestDirectory {
  let files: any FileSystem
  let path: String
  let owner: TemporaryDirectory?

  /// A path in the directory.
  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

extension File {
  func write(_ text: String, at offset: UInt64 = 0) throws {
    var text = text
    try text.withUTF8 { try writeFully(UnsafeRawBufferPointer($0), at: offset) }
  }

  func bytes(_ count: Int, at offset: UInt64 = 0) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0xAA, count: count)
    let read = try bytes.withUnsafeMutableBytes { try readFully(into: $0, at: offset) }
    return Array(bytes[..<read])
  }

  func text(_ count: Int = 100, at offset: UInt64 = 0) throws -> String {
    String(decoding: try bytes(count, at: offset), as: UTF8.self)
  }
}

/// The `errno` that an operation fails with; `nil` when it does not.
func errorCode<Result>(_ body: () throws -> Result) -> Int32? {
  do {
    _ = try body()
    return nil
  } catch let error as SystemError {
    return error.code
  } catch {
    return -1
  }
}

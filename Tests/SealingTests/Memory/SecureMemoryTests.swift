import Foundation
import Glibc
import Testing

@testable import Sealing

@Suite(.serialized) struct SecureMemoryTests {
  /// The kernel's flags of the mapping that an address is in.
  private static func flags(of address: UInt) throws -> [Substring] {
    // Read to its end by hand: the file says that it has no length.
    let file = try #require(fopen("/proc/self/smaps", "r"))
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
    let text = String(decoding: bytes, as: UTF8.self)
    var inMapping = false
    for line in text.split(separator: "\n") {
      let first = line.split(separator: " ").first ?? ""
      let bounds = first.split(separator: "-")
      if bounds.count == 2, let low = UInt(bounds[0], radix: 16), let high = UInt(bounds[1], radix: 16) {
        inMapping = (low..<high).contains(address)
      } else if inMapping, line.hasPrefix("VmFlags:") {
        return Array(line.dropFirst("VmFlags:".count).split(separator: " "))
      }
    }
    return []
  }

  @Test func keysAreLockedAndStayOutOfCoreDumpsAndChildren() throws {
    let bytes = SecureBytes(count: 32)
    let flags = try bytes.withUnsafeBytes { try Self.flags(of: UInt(bitPattern: $0.baseAddress)) }
    #expect(flags.contains("dd") && flags.contains("wf"))
    // The address sanitizer replaces mlock with nothing that says that it worked.
    if dlsym(nil, "__asan_init") == nil {
      #expect(flags.contains("lo") == bytes.isLocked)
      #expect(bytes.isLocked, "the limit of locked memory (ulimit -l) is too small to test")
    }
    #expect(bytes.isWipedOnFork)
  }

  @Test func bytesAreCopiedAndRandomOnesDiffer() throws {
    let source: [UInt8] = [1, 2, 3, 4, 5]
    let copy = source.withUnsafeBytes { SecureBytes(copying: $0) }
    #expect(copy.count == 5 && copy.withUnsafeBytes { Array($0) } == source)
    let first = try SecureBytes.random(count: 32)
    let second = try SecureBytes.random(count: 32)
    #expect(first.withUnsafeBytes { Array($0) } != second.withUnsafeBytes { Array($0) })
    #expect(SecureBytes(count: 0).withUnsafeBytes { $0.isEmpty })
    let large = SecureBytes(count: 10_000)
    large.withUnsafeMutableBytes { $0[9_999] = 7 }
    #expect(large.withUnsafeBytes { $0[9_999] } == 7)
  }

  @Test func randomBytesNeverRepeat() async throws {
    let groups = await withTaskGroup(of: [[UInt8]].self) { group in
      for _ in 0..<4 {
        group.addTask { (0..<5_000).compactMap { _ in try? SecureRandom.bytes(16) } }
      }
      return await group.reduce(into: [[UInt8]]()) { $0 += $1 }
    }
    #expect(groups.count == 20_000)
    #expect(Set(groups).count == 20_000)
    #expect(try SecureRandom.bytes(0).isEmpty)
    #expect(try SecureRandom.bytes(100_000).count == 100_000)
  }

  /// What a child says, by a pipe. The child only calls what is given and leaves.
  private static func inChild(_ body: () -> [UInt8]) throws -> [UInt8] {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    typealias Fork = @convention(c) () -> pid_t
    let function = try #require(dlsym(nil, "fork"))
    let child = unsafeBitCast(function, to: Fork.self)()
    if child == 0 {
      let answer = body()
      _ = answer.withUnsafeBytes { write(ends[1], $0.baseAddress, $0.count) }
      _exit(0)
    }
    close(ends[1])
    var answer = [UInt8](repeating: 0, count: 256)
    let count = answer.withUnsafeMutableBytes { read(ends[0], $0.baseAddress, $0.count) }
    close(ends[0])
    var status: Int32 = 0
    waitpid(child, &status, 0)
    return Array(answer[..<max(0, count)])
  }

  @Test func aForkedChildGetsOtherRandomBytes() throws {
    _ = try SecureRandom.bytes(16)
    let child = try Self.inChild { (try? SecureRandom.bytes(32)) ?? [] }
    let parent = try SecureRandom.bytes(32)
    #expect(child.count == 32)
    #expect(child != parent)
  }

  @Test func aForkedChildCannotSeal() throws {
    let registry = try makeRegistry()
    let keys = try registry.current()
    _ = try keys.state.nextCounter()
    let answer = try Self.inChild {
      [code { _ = try keys.state.nextCounter() } == .keyUnavailable ? 1 : 0]
        + [code { _ = try keys.state.cipher.checkOut(.seal) } == .keyUnavailable ? 1 : 0]
    }
    #expect(answer == [1, 1])
    #expect(try keys.state.nextCounter() == 1)
  }
}

import Sealing
import StorageTestSupport
import Synchronization

@testable import SegmentStorage

/// Under which key and nonce everything was sealed that was ever handed to the operating system, read from the bytes.
///
/// Keys are told apart by their epoch's commitment and their purpose, a run's and a key ring's by the store and the slot.
/// One key and nonce with two contents is what must never be.
final class NonceLedger: Sendable {
  struct Seal: Hashable {
    /// A digest of what names the key.
    var key: UInt64
    var purpose: UInt8
    var nonce: [UInt8]
  }

  struct Entries {
    var seals: [Seal: UInt64] = [:]
    /// Frames that were written: recovery writes some again, byte for byte.
    var frames: Set<UInt64> = []
    var repeats: [String] = []
    var random = SplitMix64(seed: Torture.seed)
  }

  /// The epochs that a directory's segments name.
  struct Directory {
    var current: [String: UInt64] = [:]
    var epochs: [String: [UInt32: UInt64]] = [:]
  }

  private let entries = Synchronization.Mutex(Entries())

  var sealCount: Int { entries.withLock { $0.seals.count } }
  var repeats: [String] { entries.withLock { $0.repeats } }

  func fillRandom(_ buffer: UnsafeMutableRawBufferPointer) {
    let bytes = entries.withLock { entries in
      (0..<buffer.count).map { _ in UInt8(truncatingIfNeeded: entries.random.next() >> 17) }
    }
    buffer.copyBytes(from: bytes)
  }

  static func digest(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return value
  }

  private func note(_ seal: Seal, _ content: UInt64, _ what: String) {
    entries.withLock { entries in
      if let known = entries.seals.updateValue(content, forKey: seal) {
        entries.repeats.append("\(what): \(seal)\(known == content ? ", the same content" : "")")
      }
    }
  }

  /// A file system over another, for one directory's writer after the other.
  func fileSystem(_ base: SimulatedFileSystem, _ directory: Guardian) -> RecordingFileSystem {
    RecordingFileSystem(
      base,
      onWrite: { [self] path, offset, bytes in
        let bytes = Array(bytes)
        if path.contains("quarantine") { return }
        if path.contains("segment") { segment(path, offset, bytes, directory) }
        if path.hasSuffix(".run.next") { run(bytes) }
        if path.hasSuffix("KEYRING.next") { keyring(bytes) }
      },
      onRename: { source, destination in
        directory.value.withLock {
          $0.current[destination] = $0.current.removeValue(forKey: source)
          $0.epochs[destination] = $0.epochs.removeValue(forKey: source)
        }
      },
      random: { [self] in fillRandom($0) })
  }

  /// A directory's epochs and the lock that guards them.
  final class Guardian: Sendable {
    let value: Synchronization.Mutex<Directory>
    init(_ directory: Directory) { value = Synchronization.Mutex(directory) }
  }

  private func segment(_ path: String, _ offset: UInt64, _ bytes: [UInt8], _ directory: Guardian) {
    var at = offset == 0 ? Format.pageSize : 0
    while at + Format.frameHeaderSize <= bytes.count {
      let header = bytes[at...].withUnsafeBytes { $0.baseAddress.flatMap { FrameHeader($0, suite: .aes256GCM) } }
      guard let header, at + header.frameLength <= bytes.count else { return }
      frame(Array(bytes[at..<at + header.frameLength]), header, path, directory)
      at += header.frameLength
    }
  }

  private func frame(_ bytes: [UInt8], _ header: FrameHeader, _ path: String, _ directory: Guardian) {
    let suite = Suite.aes256GCM
    let metadata = bytes[header.metadataOffset(suite)..<header.tagOffset(suite)]
    let type = FrameType(rawValue: header.type)
    var epoch = directory.value.withLock { $0.current[path] } ?? 0
    if type == .epoch {
      let fields = Array(metadata)
      fields.withUnsafeBytes { fields in
        var reader = ByteReader(fields)
        guard let description = EpochDescription(&reader) else { return }
        epoch = Self.digest(description.commitment)
        directory.value.withLock {
          $0.epochs[path, default: [:]][description.number] = epoch
          if header.flags.contains(.becomesCurrent) { $0.current[path] = epoch }
        }
      }
    }
    guard entries.withLock({ $0.frames.insert(Self.digest(bytes)).inserted }) else { return }
    let nonce = withUnsafeBytes(of: UInt64(header.counter).littleEndian) { Array($0) }
    note(
      Seal(key: epoch, purpose: type == .dictionary ? 2 : 1, nonce: nonce),
      Self.digest(bytes[..<header.prefixLength(suite)]),
      "\(path), frame \(header.sequence)")
    guard type == .commit else { return }
    var blob = header.prefixLength(suite)
    for index in 0..<header.recordCount {
      let entry = Format.frameHeaderSize + index * suite.tableEntrySize
      let length = (0..<4).reduce(0) { $0 | Int(bytes[entry + $1]) << (8 * $1) }
      let content = Array(bytes[blob..<blob + length])
      // Coding, dictionary if it says so, epoch and counter.
      var place = 1
      func varint() -> UInt64 {
        var (value, shift): (UInt64, UInt64) = (0, 0)
        repeat {
          value |= UInt64(content[place] & 0x7F) << shift
          shift += 7
          place += 1
        } while content[place - 1] >= 0x80
        return value
      }
      if content[0] & 7 == 2 { _ = varint() }
      let number = UInt32(varint())
      let counter = withUnsafeBytes(of: varint().littleEndian) { Array($0) }
      let key = directory.value.withLock { $0.epochs[path]?[number] } ?? 0
      note(
        Seal(key: key, purpose: 3, nonce: counter), Self.digest(content + bytes[entry + 8..<entry + 24]),
        "\(path), record \(index) of frame \(header.sequence)")
      blob += length
    }
  }

  private func run(_ bytes: [UInt8]) {
    guard bytes.count > 2 * Format.pageSize else { return }
    let page = (0..<4).reduce(0) { $0 | Int(bytes[104 + $1]) << (8 * $1) } * Format.pageSize
    note(
      Seal(key: Self.digest(bytes[16..<32]), purpose: 4, nonce: Array(bytes[page..<page + 12])),
      Self.digest(bytes[page..<bytes.count]), "a run")
  }

  /// The wrapped keys of the first of the two blocks; the second is the same.
  private func keyring(_ bytes: [UInt8]) {
    let store = Self.digest(bytes[20..<36])
    var at = 36
    func count() -> Int {
      defer { at += 2 }
      return Int(bytes[at]) | Int(bytes[at + 1]) << 8
    }
    func wrapped(_ purpose: UInt8, _ key: UInt64) {
      defer { at += 60 }
      let seal = Seal(key: key, purpose: purpose, nonce: Array(bytes[at..<at + 12]))
      let content = Self.digest(bytes[at..<at + 60])
      // What was not wrapped again stands in the next file as it stood in this one.
      if entries.withLock({ $0.seals[seal] == content }) { return }
      note(seal, content, "a key ring")
    }
    for _ in 0..<count() {
      let commitment = Self.digest(bytes[at..<at + 32])
      at += 32
      wrapped(5, commitment)
    }
    for _ in 0..<count() {
      at += 40
      wrapped(6, store)
    }
    wrapped(6, store)
  }
}

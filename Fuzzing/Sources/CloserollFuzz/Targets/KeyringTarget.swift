@testable import Sealing

/// The key ring's file. Where the first byte says so, its checksums are put right.
enum KeyringTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    let (control, rest) = input.control(1)
    var bytes = Array(rest)
    if control[0] & 1 != 0 {
      for start in [0, bytes.count / 2] where bytes.count - start >= 28 {
        bytes.replaceSubrange(start..<start + 8, with: Array("CRKEYRNG".utf8))
        bytes.replaceSubrange(start + 8..<start + 12, with: [1, 0, 0, 0])
        let length = Int(bytes[start + 16]) | Int(bytes[start + 17]) << 8 | Int(bytes[start + 18]) << 16
        let end = start + 20 + length
        guard end + 4 <= bytes.count else { continue }
        let checksum = bytes[start..<end].withUnsafeBytes { CRC32C.checksum($0) }
        for place in 0..<4 { bytes[end + place] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * place)) }
      }
    }
    _ = try? Keyring.storeID(ofEncoded: bytes)
    let key = (0..<32).map { UInt8($0) }.withUnsafeBytes { SecureBytes(copying: $0) }
    if let keyring = try? Keyring.open(bytes, keyEncryptionKey: key, expectedStoreID: nil) {
      _ = keyring.encoded()
      _ = keyring.activeRootKeyID
    }
  }
}

import Glibc
import Sealing

/// Numbers from a seed (SplitMix64), so that a failure can be had again.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

let testStoreID = [UInt8]((0..<16).map { $0 &* 11 &+ 3 })

func key(_ seed: UInt8, count: Int = 32) -> SecureBytes {
  (0..<count).map { UInt8(truncatingIfNeeded: $0) &* 7 &+ seed }.withUnsafeBytes { SecureBytes(copying: $0) }
}

func makeRegistry(
  _ keyring: Keyring? = nil, clock: @escaping @Sendable () -> UInt64 = { 0 }
) throws -> EpochRegistry {
  let keyring = try keyring ?? Keyring.create(storeID: testStoreID, keyEncryptionKey: key(1))
  return EpochRegistry(keyring: keyring, clock: clock) { bytes throws(SealingError) in try SecureRandom.fill(bytes) }
}

/// A record as a test wants it, its bytes in arrays.
struct Record {
  var role = StateRole.event
  var application = Array("bank".utf8)
  var high: UInt64 = 0x0123_4567_89ab_cdef
  var low: UInt64 = 0xfedc_ba98_7654_3210
  var position: Int64 = 7
  var topic = Array("bank:Account.Opened".utf8)
  var state = Array(#"{"full_name":"Zoë","currency":"EUR","full_name2":"Zoë","currency2":"EUR"}"#.utf8)

  func withContext<R>(_ body: (borrowing StateContext) throws -> R) rethrows -> R {
    try application.withUnsafeBytes {
      try body(
        StateContext(role: role, application: $0, originatorHigh: high, originatorLow: low, position: position))
    }
  }
}

/// A sealed state in arrays.
struct Sealed: Equatable {
  var blob: [UInt8]
  var tag: [UInt8]
}

extension StateCodec {
  func seal(_ record: Record) throws -> Sealed {
    var blob = [UInt8](
      repeating: 0, count: maximumBlobLength(topicLength: record.topic.count, stateLength: record.state.count))
    var tag = [UInt8](repeating: 0, count: tagLength)
    let info = try record.withContext { context in
      try record.topic.withUnsafeBytes { topic in
        try record.state.withUnsafeBytes { state in
          try blob.withUnsafeMutableBytes { blob in
            try tag.withUnsafeMutableBytes { tag in
              try seal(topic: topic, state: state, context: context, blob: blob, tag: tag.baseAddress!)
            }
          }
        }
      }
    }
    return Sealed(blob: Array(blob[..<info.length]), tag: tag)
  }

  func open(_ sealed: Sealed, as record: Record) throws -> (topic: [UInt8], state: [UInt8]) {
    try record.withContext { context in
      try sealed.blob.withUnsafeBytes { blob in
        try sealed.tag.withUnsafeBytes { tag in
          try open(blob: blob, tag: tag.baseAddress!, context: context) { (Array($0), Array($1)) }
        }
      }
    }
  }
}

/// The code of the error that `body` throws; nil if it throws none or another kind.
func code(of body: () throws -> Void) -> SealingError.Code? {
  do {
    try body()
    return nil
  } catch {
    return (error as? SealingError)?.code
  }
}

/// A small generator whose whole state is its seed, so that one printed number repeats a test.
///
/// The algorithm is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
/// Not fit for keys.
public struct SplitMix64: RandomNumberGenerator, Sendable, Equatable {
  private var state: UInt64

  /// Starts the sequence of a seed.
  public init(seed: UInt64) { state = seed }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mix(state)
  }

  /// A number in `0 ..< bound`; 0 when the bound is 0. Slightly uneven for bounds near 2⁶⁴.
  public mutating func below(_ bound: Int) -> Int {
    bound <= 1 ? 0 : Int(next() % UInt64(bound))
  }

  /// True once in `count` times.
  public mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

  /// Fills a buffer.
  public mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    var at = 0
    while at < buffer.count {
      var word = next()
      let length = min(8, buffer.count - at)
      withUnsafeBytes(of: &word) { bytes in
        UnsafeMutableRawBufferPointer(rebasing: buffer[at..<at + length])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
      }
      at += length
    }
  }

  /// The generator's finaliser: every bit of the argument changes every bit of the result.
  static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

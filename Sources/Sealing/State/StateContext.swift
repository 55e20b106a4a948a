/// What a state is: part of what it is bound to.
public enum StateRole: UInt8, Sendable {
  case event = 1
  case snapshot = 2
  case document = 3
}

/// Where a state belongs. A sealed state opens only with the context that it was sealed with.
///
/// It borrows the application's name: the pointer must stay valid for the call that the context is passed to.
public struct StateContext {
  /// Event, snapshot or document.
  public var role: StateRole
  /// The application's name, UTF-8, at most 255 bytes.
  public var application: UnsafeRawBufferPointer
  /// The first eight bytes of the originator's ID, as a big-endian number.
  public var originatorHigh: UInt64
  /// The last eight bytes of the originator's ID, as a big-endian number.
  public var originatorLow: UInt64
  /// The position in the originator's sequence.
  public var position: Int64

  /// A context for one record.
  public init(
    role: StateRole, application: UnsafeRawBufferPointer, originatorHigh: UInt64, originatorLow: UInt64, position: Int64
  ) {
    self.role = role
    self.application = application
    self.originatorHigh = originatorHigh
    self.originatorLow = originatorLow
    self.position = position
  }
}

/// The associated data of a state:
///
/// ```
/// format version u16 (1) · role u8 · length u16 · application · 16 as u16 · originator 16 · 8 as u16 · position i64 · clear prefix
/// ```
enum AssociatedData {
  static let formatVersion: UInt16 = 1
  static let mostApplication = 255
  /// The most bytes that `write` writes.
  static let capacity = 2 + 1 + 2 + mostApplication + 2 + 16 + 2 + 8 + StatePrefix.maximumLength

  /// Writes all but the prefix and returns the length. The application's length must have been checked.
  @inline(__always)
  static func write(_ context: borrowing StateContext, to output: UnsafeMutableRawPointer) -> Int {
    output.storeBytes(of: formatVersion.littleEndian, as: UInt16.self)
    output.storeBytes(of: context.role.rawValue, toByteOffset: 2, as: UInt8.self)
    let length = context.application.count
    output.storeBytes(of: UInt16(truncatingIfNeeded: length).littleEndian, toByteOffset: 3, as: UInt16.self)
    if let application = context.application.baseAddress, length > 0 {
      (output + 5).copyMemory(from: application, byteCount: length)
    }
    let rest = output + 5 + length
    rest.storeBytes(of: UInt16(16).littleEndian, as: UInt16.self)
    rest.storeBytes(of: context.originatorHigh.bigEndian, toByteOffset: 2, as: UInt64.self)
    rest.storeBytes(of: context.originatorLow.bigEndian, toByteOffset: 10, as: UInt64.self)
    rest.storeBytes(of: UInt16(8).littleEndian, toByteOffset: 18, as: UInt16.self)
    rest.storeBytes(of: context.position.littleEndian, toByteOffset: 20, as: Int64.self)
    return 5 + length + 28
  }
}

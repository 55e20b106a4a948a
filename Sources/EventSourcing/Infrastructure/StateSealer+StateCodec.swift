#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
public import Sealing

/// A store's codec seals states for its record managers: the sealed bytes are the codec's blob and, after it, its tag.
extension StateCodec: StateSealer {
  /// Seals a topic and a state for a place: blob, then tag. About a microsecond for a small event; allocates the result.
  ///
  /// - Throws: ``EventSourcingError/Code/programming`` if something is too long; ``EventSourcingError/Code/operational`` if
  ///   no key can be used.
  public func seal(
    topic: UnsafeRawBufferPointer, state: UnsafeRawBufferPointer, for place: StatePlace
  ) throws -> [UInt8] {
    let capacity = maximumBlobLength(topicLength: topic.count, stateLength: state.count)
    return try Self.withContext(of: place) { context in
      try [UInt8](unsafeUninitializedCapacity: capacity + tagLength) { bytes, count in
        try withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { tag in
          guard let tagStart = tag.baseAddress else { return }
          let buffer = UnsafeMutableRawBufferPointer(bytes)
          let info = try self.seal(
            topic: topic, state: state, context: context,
            blob: UnsafeMutableRawBufferPointer(rebasing: buffer[..<capacity]), tag: tagStart)
          for offset in 0..<tagLength { buffer[info.length + offset] = tag[offset] }
          count = info.length + tagLength
        }
      }
    }
  }

  /// Opens a blob that has its tag after it.
  ///
  /// - Throws: ``EventSourcingError/Code/dataIntegrity`` if the bytes were altered or belong to another place; what `body`
  ///   throws.
  public func open(
    _ sealed: UnsafeRawBufferPointer, for place: StatePlace,
    _ body: (_ topic: UnsafeRawBufferPointer, _ state: UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard sealed.count > tagLength, let start = sealed.baseAddress else {
      throw EventSourcingError(
        .dataIntegrity, "A sealed state is shorter than its tag.", originatorID: place.originatorID,
        position: place.position)
    }
    let length = sealed.count - tagLength
    try Self.withContext(of: place) { context in
      try self.open(
        blob: UnsafeRawBufferPointer(start: start, count: length), tag: start + length, context: context, body)
    }
  }

  private static func withContext<R>(of place: StatePlace, _ body: (borrowing StateContext) throws -> R) throws -> R {
    let role: StateRole =
      switch place.role {
      case .event: .event
      case .snapshot: .snapshot
      case .document: .document
      }
    let words = withUnsafeBytes(of: place.originatorID.uuid) { id in
      (
        UInt64(bigEndian: id.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
        UInt64(bigEndian: id.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
    var application = place.application
    do {
      return try application.withUTF8 { application in
        try body(
          StateContext(
            role: role, application: UnsafeRawBufferPointer(application), originatorHigh: words.0,
            originatorLow: words.1, position: Int64(place.position)))
      }
    } catch let error as SealingError {
      throw EventSourcingError(error, at: place)
    }
  }
}

extension EventSourcingError {
  /// The error of a store's codec, with the place of the state that it was about.
  init(_ error: SealingError, at place: StatePlace) {
    let code: Code =
      switch error.code {
      case .tooLarge: .programming
      case .authenticationFailed, .malformed, .epochUnknown, .dictionaryUnknown, .decompressionFailed: .dataIntegrity
      default: .operational
      }
    self.init(code, error.message, originatorID: place.originatorID, position: place.position, cause: error)
  }
}

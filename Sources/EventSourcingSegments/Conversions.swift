#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import EventSourcing
import SegmentStorage

extension OriginatorID {
  init(_ id: UUID) {
    self = withUnsafeBytes(of: id.uuid) { bytes in
      OriginatorID(
        high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
        low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }
  }
}

extension UUID {
  init(_ id: OriginatorID) {
    let words = (id.high.bigEndian, id.low.bigEndian)
    self = withUnsafeBytes(of: words) { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
  }
}

extension EventSourcingError {
  /// The application layer's error for one of the engine's; other errors as they are.
  init(storage error: any Error) {
    if let error = error as? EventSourcingError {
      self = error
      return
    }
    guard let error = error as? StorageError else {
      self.init(.operational, "The store failed.", cause: error)
      return
    }
    let code: Code =
      switch error.code {
      case .conflict: .recordConflict
      case .recordNotFound: .recordNotFound
      case .damaged: .dataIntegrity
      case .closed, .readOnly, .limitExceeded, .invalidArgument: .programming
      default: .operational
      }
    self.init(
      code, error.message, originatorID: error.originator.map { UUID($0) }, position: error.position.map { Int($0) },
      cause: error)
  }
}

extension CausalDependency {
  /// The reference library's form: `[{"pipeline_id":0,"notification_id":1}]`.
  static func encode(_ dependencies: [CausalDependency]) throws -> [UInt8] {
    Array(try JSONEncoder().encode(dependencies))
  }

  static func decode(_ bytes: [UInt8]) throws -> [CausalDependency] {
    try JSONDecoder().decode([CausalDependency].self, from: Data(bytes))
  }
}

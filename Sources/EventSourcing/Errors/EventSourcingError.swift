#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// The error of everything in this module: what happened, what to do about it, and where.
///
/// A value is one pointer wide (its parts are boxed), so that it costs nothing on the path that does not throw. It never
/// holds a key, a state or any part of one; ``underlyingError`` keeps the cause as it was thrown.
///
/// Match by code, where a code also matches its special cases:
///
/// ```swift
/// do {
///   try await app.save(account)
/// } catch EventSourcingError.Code.recordConflict {
///   // Somebody else was faster (`.concurrency` is a kind of `.recordConflict`): load again and retry.
/// }
/// ```
public struct EventSourcingError: Error, Sendable {
  private final class Box: Sendable {
    let code: Code
    let message: String
    let originatorID: UUID?
    let position: Int?
    let topic: String?
    let path: String?
    let cause: (any Error)?

    init(
      code: Code, message: String, originatorID: UUID?, position: Int?, topic: String?, path: String?,
      cause: (any Error)?
    ) {
      self.code = code
      self.message = message
      self.originatorID = originatorID
      self.position = position
      self.topic = topic
      self.path = path
      self.cause = cause
    }
  }

  private let box: Box

  /// Makes an error.
  ///
  /// - Parameters:
  ///   - code: What kind of failure it is.
  ///   - message: What happened and what to do; never a key or a state.
  ///   - originatorID: The aggregate (or other sequence) that was being worked on.
  ///   - position: The position of the record in its originator's sequence.
  ///   - topic: The topic of the event.
  ///   - path: Where in a transcoded value the failure is, as in `lines[2].amount`.
  ///   - cause: The error that led to this one.
  public init(
    _ code: Code, _ message: String, originatorID: UUID? = nil, position: Int? = nil, topic: String? = nil,
    path: String? = nil, cause: (any Error)? = nil
  ) {
    self.box = Box(
      code: code, message: message, originatorID: originatorID, position: position, topic: topic, path: path,
      cause: cause)
  }

  /// What kind of failure it is.
  public var code: Code { box.code }
  /// What happened and what to do about it.
  public var message: String { box.message }
  /// The aggregate, or other sequence, that was being worked on, if there was one.
  public var originatorID: UUID? { box.originatorID }
  /// The position in the originator's sequence, if there was one.
  public var position: Int? { box.position }
  /// The topic of the event, if there was one.
  public var topic: String? { box.topic }
  /// Where in a transcoded value the failure is (`lines[2].amount`), if it is in one.
  public var path: String? { box.path }
  /// The error that led to this one, as it was thrown.
  public var underlyingError: (any Error)? { box.cause }

  /// The same error with the place filled in where it was not known yet.
  public func at(originatorID: UUID? = nil, position: Int? = nil, topic: String? = nil) -> EventSourcingError {
    EventSourcingError(
      code, message, originatorID: self.originatorID ?? originatorID, position: self.position ?? position,
      topic: self.topic ?? topic, path: path, cause: underlyingError)
  }
}

extension EventSourcingError: CustomStringConvertible {
  /// The code, the message and the place, in one line.
  public var description: String {
    var text = "\(code): \(message)"
    var place: [String] = []
    if let originatorID { place.append("originator \(originatorID.uuidString.lowercased())") }
    if let position { place.append("position \(position)") }
    if let topic { place.append("topic \(topic)") }
    if let path { place.append("at \(path.isEmpty ? "the top" : path)") }
    if !place.isEmpty { text += " (" + place.joined(separator: ", ") + ")" }
    if let cause = underlyingError { text += "; cause: \(cause)" }
    return text
  }
}

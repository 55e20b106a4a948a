/// The documents of an application, as of the event that is processed: reads see what was stored, and what was changed since.
/// The changes are stored together with the event's position, or not at all.
///
/// Values are kept in the JSON form that events have. Belongs to the call that it is given to.
public final class DocumentView {
  private let read: (String) async throws -> [UInt8]?
  private var changes: [String: [UInt8]?] = [:]
  private var order: [String] = []

  init(read: @escaping (String) async throws -> [UInt8]?) { self.read = read }

  /// The document of a key; nil if there is none.
  ///
  /// - Throws: ``EventSourcingError/Code/decoding`` if it is of another type.
  public func document<Value: Decodable>(_ key: String, as type: Value.Type) async throws -> Value? {
    let content: [UInt8]? = if let changed = changes[key] { changed } else { try await read(key) }
    return try content.map { try TranscodingDecoder().decode(type, from: $0) }
  }

  /// Puts a document.
  ///
  /// - Throws: ``EventSourcingError/Code/encoding`` if the value has no form.
  public func put(_ value: some Encodable, for key: String) throws {
    change(key, try TranscodingEncoder().encode(value))
  }

  /// Deletes a document.
  public func delete(_ key: String) { change(key, nil) }

  private func change(_ key: String, _ content: [UInt8]?) {
    if changes.updateValue(content, forKey: key) == nil { order.append(key) }
  }

  /// What was changed, in the order of the first change of each key.
  var pending: [DocumentChange] { order.map { DocumentChange(key: $0, content: changes[$0] ?? nil) } }
}

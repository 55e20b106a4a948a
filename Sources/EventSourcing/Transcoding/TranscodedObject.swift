/// The members of a transcoded object, in their order: what an upcasting step works on.
///
/// Finding a member takes time in proportion to their number.
public struct TranscodedObject: Sendable, Hashable {
  /// One member.
  public struct Member: Sendable, Hashable {
    /// Its name.
    public var key: String
    /// Its value.
    public var value: TranscodedValue

    /// Makes a member.
    public init(key: String, value: TranscodedValue) {
      self.key = key
      self.value = value
    }
  }

  /// The members, in the order in which they are written.
  public var members: [Member]

  /// Makes an object from its members, whose keys must differ.
  public init(_ members: [Member] = []) {
    self.members = members
  }

  /// The value of a member; nil if it is not there. Assigning nil removes it, a new one goes to the end.
  public subscript(key: String) -> TranscodedValue? {
    get { members.last { $0.key == key }?.value }
    set {
      guard let newValue else {
        members.removeAll { $0.key == key }
        return
      }
      if let index = members.firstIndex(where: { $0.key == key }) {
        members[index].value = newValue
      } else {
        members.append(Member(key: key, value: newValue))
      }
    }
  }

  /// Takes a member out and gives its value; nil if it was not there.
  @discardableResult
  public mutating func removeValue(forKey key: String) -> TranscodedValue? {
    defer { self[key] = nil }
    return self[key]
  }
}

extension TranscodedObject: ExpressibleByDictionaryLiteral {
  /// Makes an object from a literal.
  public init(dictionaryLiteral elements: (String, TranscodedValue)...) {
    members = elements.map { Member(key: $0.0, value: $0.1) }
  }
}

/// One call that was made on a simulated file system, as its trace records it.
public struct SimulatedCall: Sendable, Equatable, CustomStringConvertible {
  /// Which method of the file system or of a file.
  public enum Kind: String, Sendable, CaseIterable {
    case open, contentsOfDirectory, createDirectory, rename, remove, kind, synchronizeDirectory, random
    case read, write, synchronize, truncate, size, lock, lockQuery, map, close

    /// Whether a call of this kind changes what a crash can leave. `open` does when it makes a file.
    public var isMutating: Bool {
      switch self {
      case .createDirectory, .rename, .remove, .synchronizeDirectory, .write, .synchronize, .truncate: true
      default: false
      }
    }
  }

  /// Which method.
  public var kind: Kind
  /// The file's present path; for a rename, the source.
  public var path: String
  /// For a rename, the destination; otherwise empty.
  public var destination = ""
  /// For a read or a write, where; otherwise 0.
  public var offset: UInt64 = 0
  /// For a read or a write, the number of bytes asked for; for a truncation, the size; otherwise 0.
  public var length = 0
  /// Whether the call counts in ``SimulatedFileSystem/operationCount``.
  public var isMutating: Bool
  /// `errno`, when the call failed.
  public var error: Int32?

  init(_ kind: Kind, _ path: String, destination: String = "", offset: UInt64 = 0, length: Int = 0) {
    self.kind = kind
    self.path = path
    self.destination = destination
    self.offset = offset
    self.length = length
    isMutating = kind.isMutating
  }

  /// Like "write store/HEAD 0+64".
  public var description: String {
    var text = "\(kind.rawValue) \(path)"
    if !destination.isEmpty { text += " -> \(destination)" }
    if kind == .read || kind == .write { text += " \(offset)+\(length)" }
    if kind == .truncate { text += " \(length)" }
    if let error { text += " errno \(error)" }
    return text
  }
}

import Synchronization

/// The descriptors made so far: facts about types, the same for the whole process.
enum Descriptors {
  static let cache = Mutex<[ObjectIdentifier: any Sendable]>([:])
}

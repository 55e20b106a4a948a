internal import Glibc
internal import SegmentStorage

/// Everything that a simulated file system knows: a value, so that a copy is another world.
struct SimulatedState: Sendable {
  /// By number; `nil` when nothing refers to the file any more.
  var files: [SimulatedFileState?] = []
  /// By number; the first is the root, of absolute and relative paths alike.
  var directories = [SimulatedDirectoryState()]
  var handles: [Int: SimulatedHandle] = [:]
  var nextHandle = 0
  /// Handles below this were open when the machine went down.
  var firstLivingHandle = 0
  /// Numbers the changes that are not durable.
  var nextOrder = 0

  var generator: SplitMix64
  var nanoseconds: UInt64 = 1_000_000_000
  var nanosecondsPerCall: UInt64 = 1_000

  var settings = SimulatedSettings()
  var faults: [InjectedFault] = []
  var crashPoint: Int?
  var isDown = false
  var operationCount = 0
  var callCount = 0
  var trace: [SimulatedCall] = []

  init(seed: UInt64) {
    generator = SplitMix64(seed: seed)
  }
}

/// What a test sets, and a crash leaves as it is.
struct SimulatedSettings: Sendable {
  var supportsMapping = false
  var sharedSectorsAtRisk = false
  var failedSynchronize = FailedSynchronize.cacheKeepsNew
  var maximumBytes: Int?
  var isTracing = true
}

/// A file: what the cache shows, what the device has, and what lies between.
struct SimulatedFileState: Sendable {
  var path: String
  var cache = SimulatedBytes()
  var durable = SimulatedBytes()
  /// Changes since the last flush, in order.
  var pending: [PendingChange] = []
  /// A failed flush has left cache and device different, with no pending change to tell.
  var hasDiverged = false
  var lockOwner: Int?
  var mappings: [WeakMapping] = []

  init(path: String) { self.path = path }
}

/// A directory: the names that are shown, the names that are durable, and the changes between them.
struct SimulatedDirectoryState: Sendable {
  var entries: [String: SimulatedEntry] = [:]
  var durable: [String: SimulatedEntry] = [:]
  var pending: [PendingName] = []
}

/// What a name stands for.
enum SimulatedEntry: Sendable, Equatable {
  case file(Int)
  case directory(Int)
}

/// An unflushed change of a file.
struct PendingChange: Sendable {
  enum Change: Sendable {
    case write(offset: Int, bytes: [UInt8])
    case truncate(Int)
  }
  var order: Int
  var change: Change

  /// The written range; empty for a truncation.
  var range: Range<Int> {
    switch change {
    case .write(let offset, let bytes): offset..<offset + bytes.count
    case .truncate: 0..<0
    }
  }

  func apply(to bytes: inout SimulatedBytes) {
    switch change {
    case .write(let offset, let source): source.withUnsafeBytes { bytes.write($0, at: offset) }
    case .truncate(let size): bytes.resize(to: size)
    }
  }
}

/// An unflushed change of a directory's names. Both halves of a rename between directories have the same order.
struct PendingName: Sendable {
  struct Name: Sendable {
    var name: String
    var entry: SimulatedEntry
  }
  var order: Int
  var kind: SimulatedCall.Kind
  var path: String
  var removed: Name?
  var added: Name?
  /// The directory that holds the other half, which must be durable first: no file system loses a file that it moves.
  var follows: Int?

  func apply(to names: inout [String: SimulatedEntry]) {
    // Only what this change knew is taken away: a later file of the same name may have come back first.
    if let removed, names[removed.name] == removed.entry { names[removed.name] = nil }
    if let added { names[added.name] = added.entry }
  }
}

/// An open file.
struct SimulatedHandle: Sendable {
  var file: Int
  var isWritable: Bool
}

/// A fault, and how many calls it has seen.
struct InjectedFault: Sendable {
  var fault: SimulatedFault
  var seen = 0
}

/// A mapping that is updated as long as somebody holds it.
struct WeakMapping: Sendable {
  weak let mapping: SimulatedMapping?
}

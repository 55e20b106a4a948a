public import Sealing

/// When an append counts as done.
public enum Durability: Sendable, Equatable {
  /// `append` returns when the commit is on the device: one `fdatasync` a group of commits. The default.
  case commit
  /// `append` returns when the operating system has the commit; a flush follows within the given milliseconds.
  /// Survives the death of the process; a power cut may lose that much.
  case interval(milliseconds: Int)
  /// `append` returns when the operating system has the commit; a flush follows at least every second or 8 MiB, at a
  /// roll, at ``SegmentStore/flush()`` and at close. Survives the death of the process; a power cut may lose that much.
  case none
}

/// How the bytes of segments are read.
public enum ReadMode: Sendable {
  /// Segments are mapped. Fastest; a device error or a file cut from outside ends the process (`SIGBUS`).
  case mapped
  /// Segments are read by `pread`: errors of the device are errors of the call. A record costs some 600 ns more,
  /// and the pages of the index that were read stay in memory.
  case pread
}

/// What may be done with a store that is opened.
public enum StoreAccess: Sendable {
  /// Reads and writes; makes the store where there is none. Takes the writer's lock.
  case create
  /// Reads and writes a store that is there. Takes the writer's lock.
  case write
  /// Reads only: writes nothing, not even on recovery; works on read-only media and beside a writer.
  case read
}

/// Where the key comes from, or that there is none.
public enum StoreKey: Sendable {
  /// Everything that a user writes is sealed with keys wrapped by this one.
  case provider(any KeyProvider)
  /// No encryption: CRC-32C only.
  case plain
}

/// How a store is opened. Every property has a default that is safe.
public struct StoreOptions: Sendable {
  /// What may be done with the store. Default ``StoreAccess/create``.
  public var access: StoreAccess = .create
  /// When an append counts as done. Default ``Durability/commit``.
  public var durability: Durability = .commit
  /// How segments are read. Default ``ReadMode/mapped``.
  public var reads: ReadMode = .mapped
  /// Bytes after which a new segment is begun: 64 KiB to 1 GiB. Default 64 MiB.
  public var segmentSize: UInt64 = 64 << 20
  /// Bytes of the active segment after which its index is written to a run. Default 16 MiB.
  public var runInterval: UInt64 = 16 << 20
  /// Files of finished segments and of their indexes that are kept open at most; one that is read and was closed is opened
  /// again. What is mapped is read without its file. Default 128.
  public var openFiles = 128
  /// Frames are aligned to two to this power. Default 3; 9 or 12 for devices whose writes may harm neighbouring bytes.
  public var alignmentExponent: UInt8 = 3
  /// Whether a dictionary is trained from the states that are stored. Default `true`.
  public var trainsDictionary = true
  /// Whether zeros are written ahead of a durable writer of small commits. Default `true`.
  public var writesZerosAhead = true
  /// Whether housekeeping (runs, footers, zeros ahead, timed flushes) has a thread of its own. Without, it is done by the
  /// appends themselves at the same places every time: for tests. Default `true`.
  public var hasMaintenanceThread = true
  /// A head of this store that was kept elsewhere (``SegmentStore/head``): a store whose log does not contain it is refused
  /// with ``StorageError/Code/rolledBack``, before anything is touched. Costs one decryption for each commit since.
  /// Default `nil`: an older copy of the whole directory opens like any good store.
  public var expectedHead: StoreHead?
  /// The file operations. Default ``LinuxFileSystem``.
  public var fileSystem: any FileSystem = LinuxFileSystem()
  /// Bits of fingerprints that count: a test that takes some away sees originators meet.
  var fingerprintMask = UInt64.max
  /// Bytes of the IDs of deleted notifications: a test that takes some away comes to the limit.
  var deletedNotifications = StorageLimits.deletedNotifications

  public init() {}
}

extension StoreKey {
  /// The key is in a file that only its owner can read: Base64 of 32 bytes.
  public static func file(_ path: String) -> StoreKey { .provider(FileKeyProvider(path)) }

  /// The key is in an environment variable: Base64 of 32 bytes.
  public static func environment(_ variable: String = "CLOSEROLL_KEY") -> StoreKey {
    .provider(EnvironmentKeyProvider(variable))
  }

  /// The key comes from a key management service, or from wherever the closure gets it: 32 bytes.
  public static func closure(_ body: @escaping @Sendable () throws -> SecureBytes) -> StoreKey {
    .provider(ClosureKeyProvider(body))
  }
}

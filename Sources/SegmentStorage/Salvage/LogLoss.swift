/// A place of the log that cannot be read, and what stood there as far as its neighbours tell.
public struct LogLoss: Sendable, Equatable {
  /// A record whose commit can be read and whose state cannot.
  public struct Record: Sendable, Equatable {
    /// What kind of record.
    public var role: RecordRole
    /// Whose it is.
    public var application: String
    /// Whose it is, within the application. Of a document: an ID that stands for its key.
    public var originator: OriginatorID
    /// Its position.
    public var position: Int64
    /// Its notification ID; `nil` when it took none.
    public var notificationID: Int64?
  }

  /// Notifications that are missing between two that can be read.
  public struct Notifications: Sendable, Equatable {
    /// The partition's application.
    public var application: String
    /// The partition's pipeline.
    public var pipeline: UInt32
    /// The missing IDs.
    public var ids: ClosedRange<Int64>
  }

  /// The file, in the store's directory.
  public var file: String
  /// The first byte that is affected.
  public var offset: UInt64
  /// How many bytes are affected, as far as it is known.
  public var length: UInt64
  /// What is wrong.
  public var what: String
  /// Whether something that a user wrote may be lost. `false` for what the store keeps for itself and has a second time.
  public var losesContent = true
  /// Records that are known to be lost.
  public var records: [Record] = []
  /// Notification IDs that are known to be lost. Where several places lie between two commits that can be read, they are
  /// told with the first of them.
  public var notifications: [Notifications] = []
}

/// What ``SegmentStore/salvage(_:to:key:newKey:applications:options:)`` has copied, and what it could not.
public struct SalvageReport: Sendable, Equatable {
  /// Whether everything that the damaged store held is in the new one.
  public var isComplete: Bool { !losses.contains(where: \.losesContent) }
  /// Commits that were copied, in part or whole.
  public var commits: UInt64 = 0
  /// Records that were copied, of every role; deletions too.
  public var records: UInt64 = 0
  /// Events among them.
  public var events: UInt64 = 0
  /// Commits among them that stand behind damage and could not be tied to what was before it. Their states verify; what
  /// else they say (notification IDs, tracking, causal dependencies) is protected by a checksum only.
  public var unlinkedCommits: UInt64 = 0
  /// Notification IDs that are holes in the new store because their events are lost.
  public var holes: UInt64 = 0
  /// Bytes at the end of the log that nothing proves durable: a commit that was never acknowledged. Not copied, no loss.
  public var tornTail: UInt64 = 0
  /// Places that could not be read, and what stood there, in the order of the log.
  public var losses: [LogLoss] = []
}

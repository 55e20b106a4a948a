/// How an application is set up. All but the name have defaults that are right for most.
public struct ApplicationConfiguration: Sendable {
  /// The application's name, which its records are kept under: at least one and at most 255 bytes of UTF-8. (The reference
  /// library's databases take 32 characters.)
  public var name: String
  /// The pipeline that it writes in; 0 unless given.
  public var pipelineID: Int
  /// What encrypts states, if not the store itself. By default nothing does.
  public var cipher: (any StateCipher)?
  /// What compresses states, if not the store itself. By default zlib if there is a ``cipher`` (as in the reference library),
  /// otherwise nothing; ``NoCompression`` for encrypted states that shall not be compressed.
  public var compressor: (any StateCompressor)?
  /// Whether the members of states are written in sorted order; by default not.
  public var sortsKeys: Bool
  /// Whether the repository keeps aggregates in memory; by default not.
  public var usesCache: Bool
  /// The most aggregates that are kept in memory; 10,000 unless given.
  public var cacheCapacity: Int
  /// How many notification IDs belong to a section of the notification log; 20 unless given.
  public var sectionSize: Int
  /// The types of aggregates that the application has. They are checked when it is made, and their events can be read
  /// without knowing of which type they are. Types that are not here are registered when first used.
  public var aggregates: [any Aggregate.Type]
  /// Topics that stand in the store under an old name, and their names now; by default none.
  public var topicSubstitutions: [String: String]
  /// Whether the application keeps snapshots, and when it takes them; nil (the default) for none.
  public var snapshotting: SnapshottingPolicy?
  /// The types of events that the application stores, and with each the event that discards its aggregate; nil (the default)
  /// for all. Saving another one is an error.
  public var persistedEventTypes: [any AggregateEvent.Type]?

  /// Describes an application.
  public init(
    name: String, pipelineID: Int = 0, cipher: (any StateCipher)? = nil, compressor: (any StateCompressor)? = nil,
    sortsKeys: Bool = false, usesCache: Bool = false, cacheCapacity: Int = 10_000,
    sectionSize: Int = defaultSectionSize,
    aggregates: [any Aggregate.Type] = [], topicSubstitutions: [String: String] = [:],
    snapshotting: SnapshottingPolicy? = nil, persistedEventTypes: [any AggregateEvent.Type]? = nil
  ) {
    self.name = name
    self.pipelineID = pipelineID
    self.cipher = cipher
    self.compressor = compressor
    self.sortsKeys = sortsKeys
    self.usesCache = usesCache
    self.cacheCapacity = cacheCapacity
    self.sectionSize = sectionSize
    self.aggregates = aggregates
    self.topicSubstitutions = topicSubstitutions
    self.snapshotting = snapshotting
    self.persistedEventTypes = persistedEventTypes
  }
}

public import EventSourcing
public import SegmentStorage

/// An application over a store of segment files: embedded, durable and, with a key, sealed.
///
/// ```swift
/// let app = try await SegmentApplication(name: "bank", directory: "bank-store", key: .environment())
/// let account = try AggregateRoot.create(BankAccount.Opened(owner: "Ada"))
/// try await app.save(account)
/// ```
public typealias SegmentApplication = SimpleApplication<SegmentInfrastructureFactory>

extension SimpleApplication where Factory == SegmentInfrastructureFactory {
  /// Opens an application's store, or makes it where there is none.
  ///
  /// - Parameters:
  ///   - name: the application's name in the store.
  ///   - directory: the store's directory; its parent must be there.
  ///   - key: where the key comes from, or ``SegmentStorage/StoreKey/plain``.
  ///   - options: how the store is opened.
  /// - Throws: `StorageError` if the store cannot be opened: its message says why and what to do.
  public convenience init(
    name: String, directory: String, key: StoreKey, options: StoreOptions = StoreOptions()
  ) async throws {
    try await self.init(ApplicationConfiguration(name: name), directory: directory, key: key, options: options)
  }

  /// Opens an application's store, or makes it where there is none, with a configuration.
  ///
  /// With a cipher or compressor in the configuration states are portable, and the store seals them once more.
  ///
  /// - Throws: as ``init(name:directory:key:options:)``; ``EventSourcingError`` for the configuration.
  public convenience init(
    _ configuration: ApplicationConfiguration, directory: String, key: StoreKey,
    options: StoreOptions = StoreOptions()
  ) async throws {
    let factory = try await onOwnThread {
      try SegmentInfrastructureFactory(directory: directory, key: key, options: options)
    }
    do {
      try await self.init(configuration, factory: factory)
    } catch {
      try await factory.close()
      throw error
    }
  }

  /// The store under the application.
  public var store: SegmentStore { factory.store }
}

/// An application that keeps everything in memory: for tests, and to begin with.
public typealias PopoApplication = SimpleApplication<PopoInfrastructureFactory>

extension SimpleApplication where Factory == PopoInfrastructureFactory {
  /// Makes an application over a new store in memory.
  ///
  /// - Throws: As ``SimpleApplication/init(_:factory:)``.
  public convenience init(_ configuration: ApplicationConfiguration) async throws {
    try await self.init(configuration, factory: PopoInfrastructureFactory())
  }

  /// Makes an application with the default configuration over a new store in memory.
  ///
  /// - Throws: As ``SimpleApplication/init(_:factory:)``.
  public convenience init(name: String) async throws {
    try await self.init(ApplicationConfiguration(name: name))
  }
}

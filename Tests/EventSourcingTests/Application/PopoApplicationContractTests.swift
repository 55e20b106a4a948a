import EventSourcing
import EventSourcingTestSupport
import Testing

@Suite struct PopoApplicationContractTests {
  @Test(arguments: ApplicationContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await ApplicationContract {
      // What is in memory goes with the factory: opening again gives the same one.
      let factory = PopoInfrastructureFactory()
      return { factory }
    }.check(rule)
  }
}

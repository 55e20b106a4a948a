import EventSourcing
import EventSourcingTestSupport
import Testing

@Suite struct PublishingTests {
  @Test(arguments: PublishingContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await PublishingContract { PopoInfrastructureFactory() }.check(rule)
  }
}

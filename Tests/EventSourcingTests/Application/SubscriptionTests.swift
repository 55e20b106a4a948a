import EventSourcing
import EventSourcingTestSupport
import Testing

@Suite struct SubscriptionTests {
  @Test(arguments: SubscriptionContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await SubscriptionContract { PopoInfrastructureFactory() }.check(rule)
  }
}

import EventSourcing
import EventSourcingTestSupport
import Testing

@Suite struct SystemContractTests {
  @Test(arguments: SystemContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await SystemContract { { PopoInfrastructureFactory() } }.check(rule)
  }
}

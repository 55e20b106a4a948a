import EventSourcing
import EventSourcingTestSupport
import Testing

@Suite struct SystemContractTests {
  @Test(arguments: SystemContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await SystemContract { { PopoInfrastructureFactory() } }.check(rule)
  }

  @Test(arguments: ProcessContract<PopoInfrastructureFactory>.rules)
  func processes(rule: String) async throws {
    try await ProcessContract {
      let store = PopoInfrastructureFactory()
      return { store }
    }.check(rule)
  }
}

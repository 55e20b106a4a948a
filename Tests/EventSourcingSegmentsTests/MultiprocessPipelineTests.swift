import Closeroll
import EventSourcingTestSupport
import FoundationEssentials
import StorageTestSupport
import Testing

/// One process that runs several pipelines.
@Suite struct MultiprocessPipelineTests {
  private struct Followed: ProcessDefinition {
    static let name = "followed"
    static let aggregates: [any Aggregate.Type] = [Inpatient.self]
    // The compressor stands for whatever the follower does not have.
    static let configuration = ApplicationConfiguration(
      name: name, compressor: ZlibCompressor(), aggregates: aggregates)
  }

  private struct Following: ProcessDefinition {
    static let name = "following"
    static let aggregates: [any Aggregate.Type] = []
    func policy(_ repository: WrappedRepository, _ event: DomainEvent) async throws {
      try repository.save(event.originatorID, for: "seen/\(event.originatorID)")
    }
  }

  @Test(arguments: [[0, 1], [1, 0]]) func pipelinesWaitForEachOther(pipelineIDs: [Int]) async throws {
    let directory = try TemporaryDirectory()
    let stores = [Followed.name, Following.name].reduce(into: [:]) { stores, name in
      stores[name] = StoreLocation(directory: "\(directory.path)/\(name)", key: SegmentStoreFixture.key(9))
    }
    let upstream = try await SegmentApplication(
      Followed.configuration, directory: "\(directory.path)/\(Followed.name)", key: SegmentStoreFixture.key(9))
    func save(in pipeline: Int, after dependency: CausalDependency?) async throws {
      let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"))
      try await upstream.inPipeline(pipeline).record(
        ProcessEvent(events: patient.pendingEvents, causalDependencies: dependency.map { [$0] }))
    }
    try await save(in: 1, after: nil)
    try await save(in: 0, after: CausalDependency(pipelineID: 1, notificationID: 1))
    try await save(in: 1, after: CausalDependency(pipelineID: 0, notificationID: 1))

    let runner = try await MultiprocessRunner(
      Following.self, of: try System(Followed.self | Following.self), stores: stores, pipelineIDs: pipelineIDs,
      limits: RetryLimits(dependencies: 40, dependencyPause: .milliseconds(50)))
    let records = try runner.application().records
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await runner.run()
        throw ContractViolation(description: "The run ended by itself.")
      }
      group.addTask {
        while try await records.documents(withPrefix: "seen/").count < 3 {
          try await Task.sleep(for: .milliseconds(10))
        }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
    #expect(try await records.maxTrackingID(upstream: Followed.name, pipelineID: 0) == 1)
    #expect(try await records.maxTrackingID(upstream: Followed.name, pipelineID: 1) == 2)
    try await runner.close()
    try await upstream.close()
  }
}

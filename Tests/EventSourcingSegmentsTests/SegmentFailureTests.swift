import Closeroll
import EventSourcingTestSupport
import FoundationEssentials
import SegmentStorage
import StorageTestSupport
import Testing

/// What an application sees when the files under it fail.
@Suite struct SegmentFailureTests {
  private func application(_ files: SimulatedFileSystem) async throws -> SegmentApplication {
    var options = StoreOptions()
    options.fileSystem = files
    options.hasMaintenanceThread = false
    options.writesZerosAhead = false
    return try await SegmentApplication(
      name: "ward", directory: "store", key: SegmentStoreFixture.key(7), options: options)
  }

  private func cause(_ error: EventSourcingError?) -> StorageError.Code? {
    (error?.underlyingError as? StorageError)?.code
  }

  @Test func aFullDisk() async throws {
    let files = SimulatedFileSystem(seed: 11)
    let app = try await application(files)
    let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"))
    try await app.save(patient)
    try patient.measure(37)
    files.maximumBytes = files.usedBytes
    let error = await #expect(throws: EventSourcingError.self) { try await app.save(patient) }
    #expect(error?.code == .operational)
    #expect(cause(error) == .diskFull)
    #expect(patient.pendingEvents.count == 1)
    #expect(try await app.repository.get(Inpatient.self, patient.id).version == 0)
    files.maximumBytes = nil
    #expect(try await app.save(patient) == [2])
    try await app.close()
  }

  @Test func aFailedFlush() async throws {
    let files = SimulatedFileSystem(seed: 12)
    let app = try await application(files)
    let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"))
    try await app.save(patient)
    try patient.measure(37)
    files.inject(.ioError(on: .synchronize))
    var error = await #expect(throws: EventSourcingError.self) { try await app.save(patient) }
    #expect(error?.code == .operational)
    #expect(cause(error) == .durabilityUnknown)
    #expect(patient.pendingEvents.count == 1)
    // The writer takes nothing more; what was stored before can be read.
    error = await #expect(throws: EventSourcingError.self) { try await app.save(patient) }
    #expect(cause(error) == .poisoned)
    #expect(try await app.repository.get(Inpatient.self, patient.id).name == "Ada")
    try? await app.close()
    // Whether the event was stored is known now.
    let again = try await application(files)
    let version = try await again.repository.get(Inpatient.self, patient.id).version
    if version == 0 {
      #expect(try await again.save(patient) == [2])
    } else {
      let conflict = await #expect(throws: EventSourcingError.self) { try await again.save(patient) }
      #expect(conflict?.code == .recordConflict)
    }
    try await again.close()
  }

  @Test func aDamagedState() async throws {
    let files = SimulatedFileSystem(seed: 13)
    let app = try await application(files)
    let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"))
    try patient.measure(37)
    try await app.save(patient)
    let segment = try #require(files.paths(under: "store").first { $0.hasSuffix(".log") })
    // The last byte that is not padding belongs to the last state.
    let bytes = try files.contents(of: segment)
    let last = try #require(bytes.lastIndex { $0 != 0 })
    try files.flipBit(segment, byte: last)
    let error = await #expect(throws: EventSourcingError.self) {
      try await app.repository.get(Inpatient.self, patient.id)
    }
    #expect(error?.code == .dataIntegrity)
    #expect(error?.originatorID == patient.id)
    #expect(error?.position == 1)
    #expect(try await app.repository.get(Inpatient.self, patient.id, at: 0).name == "Ada")
    try await app.close()
  }

  /// Saved, acknowledged, and the machine goes down: at every point of the work, what was acknowledged is there.
  @Test func crashes() async throws {
    let ids = (0..<4).map { _ in UUID() }
    func work(_ files: SimulatedFileSystem, _ acknowledged: inout Int) async throws {
      let app = try await application(files)
      for id in ids {
        let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"), id: id)
        try await app.save(patient)
        try patient.measure(37)
        try await app.save(patient)
        acknowledged += 1
      }
      try await app.close()
    }
    let whole = SimulatedFileSystem(seed: 14)
    var all = 0
    try await work(whole, &all)
    let seed = UInt64.random(in: 0...UInt64.max)
    print("crashes: seed \(seed)")
    for point in 0...whole.operationCount {
      let files = SimulatedFileSystem(seed: 14)
      files.crashAfter(operation: point)
      var acknowledged = 0
      try? await work(files, &acknowledged)
      let disk = files.crashed(.random(seed: seed &+ UInt64(point)))
      let app = try await application(disk)
      for (index, id) in ids.enumerated() {
        let patient = try await app.repository.find(Inpatient.self, id)
        if index < acknowledged { #expect(patient?.version == 1, "crash after operation \(point)") }
        if patient == nil { try await app.save(try AggregateRoot.create(Inpatient.Admitted(name: "Eve"), id: id)) }
      }
      let found = try await app.records.notifications(start: nil, stop: nil)
      #expect(found.map(\.id) == Array(1..<(found.count + 1)), "crash after operation \(point)")
      try await app.close()
    }
  }
}

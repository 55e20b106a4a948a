import Closeroll
import EventSourcingTestSupport
import FoundationEssentials
import SegmentStorage
import Testing

@Suite struct SegmentSnapshotTests {
  @Test(arguments: SnapshotContract<SegmentInfrastructureFactory>.rules, [true, false])
  func contract(rule: String, sealed: Bool) async throws {
    try await SnapshotContract {
      let fixture = try SegmentStoreFixture(isSealed: sealed)
      return { try fixture.factory() }
    }.check(rule)
  }

  private let configuration = ApplicationConfiguration(name: "ward", snapshotting: SnapshottingPolicy(period: 3))

  /// What is sealed for one place does not open at another: it is passed over, and reported.
  @Test(arguments: [true, false]) func aSnapshotOfAnotherPlace(sealed: Bool) async throws {
    let fixture = try SegmentStoreFixture(isSealed: sealed)
    let app = try await fixture.application(configuration)
    let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"))
    for celsius in 36...38 { try patient.measure(Decimal(celsius)) }
    try await app.save(patient)
    let snapshots = try #require(app.repository.snapshots)
    let snapshot = try #require(try await snapshots.snapshot(of: patient.id))
    let (state, sealing) = try snapshots.mapper.seal(
      snapshot.transcoded, topic: Snapshot.topic, originatorID: patient.id, position: 2)
    try await snapshots.records.record([
      SequencedItem(sequenceID: patient.id, position: 3, topic: Snapshot.topic, state: state, sealing: sealing)
    ])
    #expect(try await app.repository.get(Inpatient.self, patient.id).temperatures == [36, 37, 38])
    let failure = try #require(snapshots.lastFailure)
    #expect(failure.code.isKind(of: .dataIntegrity) || failure.code == .originatorVersionMismatch)
    #expect(failure.position == 3)
    try await app.close()
  }

  /// Flips one bit after the other in a segment that is not the last: the aggregate is what it was, or there is an error, and
  /// never anything else.
  @Test(arguments: [true, false]) func damage(sealed: Bool) async throws {
    var fixture = try SegmentStoreFixture(isSealed: sealed)
    fixture.options.segmentSize = 64 << 10
    let patient = try AggregateRoot.create(Inpatient.Admitted(name: "Ada"))
    do {
      let app = try await fixture.application(configuration)
      for celsius in 36...39 {
        try patient.measure(Decimal(celsius))
        try await app.save(patient)
      }
      // What fills the rest of the first segment, and some more.
      for number in 0..<30 {
        var noise = SystemRandomNumberGenerator()
        let name = (0..<600).map { _ in String(noise.next(), radix: 36) }.joined()
        try await app.save(try AggregateRoot.create(Inpatient.Admitted(name: "\(number) \(name)")))
      }
      try await app.close()
    }
    let files = try fixture.files()
    let log = try #require(files.filter { $0.key.contains("00000001-") && $0.key.hasSuffix(".log") }.first)
    #expect(log.value.count > 16 << 10)
    var outcomes: [String: Int] = [:]
    for offset in stride(from: 64, to: 6400, by: 41) {
      var damaged = log.value
      damaged[offset] ^= 0x10
      for (name, bytes) in files {
        try Data(name == log.key ? damaged : bytes).write(to: URL(fileURLWithPath: "\(fixture.path)/\(name)"))
      }
      do {
        let app = try await fixture.application(configuration)
        do {
          let found = try await app.repository.get(Inpatient.self, patient.id)
          #expect(found.temperatures == patient.temperatures, "the byte \(offset)")
          outcomes[app.repository.snapshots?.lastFailure == nil ? "whole" : "reported", default: 0] += 1
        } catch is EventSourcingError {
          outcomes["refused", default: 0] += 1
        }
        try? await app.close()
      } catch is StorageError {
        outcomes["not opened", default: 0] += 1
      }
    }
    #expect((outcomes["reported"] ?? 0) > 0, "no flip met the snapshot: \(outcomes)")
    #expect((outcomes["whole"] ?? 0) > 0, "every flip met the aggregate: \(outcomes)")
  }
}

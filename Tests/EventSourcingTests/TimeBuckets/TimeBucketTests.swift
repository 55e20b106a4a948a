import EventSourcingTestSupport
import FoundationEssentials
import Testing

@testable import EventSourcing

@Suite struct TimeBucketTests {
  @Test(arguments: TimeBucketContract<PopoInfrastructureFactory>.rules)
  func contract(rule: String) async throws {
    try await TimeBucketContract { PopoInfrastructureFactory() }.check(rule)
  }

  /// Buckets as the reference library has them.
  @Test func vectors() throws {
    struct Vectors: Decodable {
      struct Buckets: Decodable {
        struct Case: Decodable {
          var bucket_id: String
          var log_id: String
          var size: String
          var timestamp: Double
          var next_starts: Double
          var previous_starts: Double
          var starts: String
        }
        var cases: [Case]
        var namespace: String
      }
      var timebuckets: Buckets
    }
    func timestamp(_ seconds: Double) -> Timestamp {
      Timestamp(microseconds: Int64((seconds * 1e6).rounded()))
    }
    let buckets = try Fixtures.decode(Vectors.self, "vectors.json").timebuckets
    #expect(UUID(uuidString: buckets.namespace) == TimeBucketSize.namespace)
    #expect(buckets.cases.count == 18)
    for vector in buckets.cases {
      let size = try #require(TimeBucketSize(rawValue: vector.size))
      let log = try #require(UUID(uuidString: vector.log_id))
      let time = timestamp(vector.timestamp)
      #expect(size.bucketID(of: log, at: time) == UUID(uuidString: vector.bucket_id))
      #expect(size.nextStart(after: time) == timestamp(vector.next_starts))
      // The reference library's bucket before a month is counted in days of the month; both are the same here.
      #expect(size.previousStart(before: time) == timestamp(vector.previous_starts))
      let start = size.start(of: time)
      #expect(start.date.formatted(.iso8601) == vector.starts.replacing("+00:00", with: "Z"))
      #expect(size.bucketID(of: log, at: start) == size.bucketID(of: log, at: time))
      #expect(size.start(of: Timestamp(microseconds: size.nextStart(after: time).microseconds - 1)) == start)
      #expect(size.previousStart(before: size.nextStart(after: time)) == start)
    }
    #expect(TimeBucketSize(rawValue: "decade") == nil)
    #expect(TimeBucketSize(rawValue: "years") == nil)
  }

  @Test func timesBefore1970() {
    let time = Timestamp(microseconds: -1)
    #expect(TimeBucketSize.second.start(of: time).microseconds == -1_000_000)
    #expect(TimeBucketSize.year.start(of: time).microseconds == -365 * 86_400_000_000)
    #expect(TimeBucketSize.month.nextStart(after: time).microseconds == 0)
    #expect(TimeBucketSize.month.previousStart(before: Timestamp(microseconds: 0)).microseconds == -31 * 86_400_000_000)
  }
}

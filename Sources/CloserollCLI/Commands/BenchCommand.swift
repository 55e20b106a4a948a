import ArgumentParser

/// `closeroll bench`: measures a store on this machine.
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure a store on this machine, and beside it what cannot be cheaper.",
    discussion: """
      Beside each figure stands, from the same run, that of the operation itself with nothing around it: a write and a \
      flush of as many bytes, the bare compression and encryption of the same states. Takes some ten seconds.

        closeroll bench
        closeroll bench --input events.jsonl
        closeroll bench --events 1000000 --directory /mnt/disk-to-measure --json
      """)

  @Option(help: ArgumentHelp("How many events to make.", valueName: "n"))
  var events: Int?

  @Option(help: ArgumentHelp("Over how many originators (default: one for every 100 events).", valueName: "n"))
  var originators: Int?

  @Option(help: ArgumentHelp("Measure these JSON lines, as import takes them.", valueName: "file"), completion: .file())
  var input: String?

  @Option(
    help: ArgumentHelp(
      "Where to measure: a device's speed is its own. Default: a temporary directory.", valueName: "directory"),
    completion: .directory)
  var directory: String?

  @Flag(help: "Without encryption.")
  var plain = false

  @Flag(help: "Print JSON, for programs.")
  var json = false

  func validate() throws {
    if input != nil, events != nil || originators != nil {
      throw ValidationError("--input brings its own events: leave out --events and --originators.")
    }
    guard (1000...1_000_000_000).contains(events ?? 1000) else {
      throw ValidationError("--events is 1,000 to 1,000,000,000.")
    }
    guard (1...1_000_000_000).contains(originators ?? 1) else { throw ValidationError("--originators is 1 or more.") }
  }

  func run() async throws {
    let workload: any Workload
    if let input {
      workload = try FileWorkload(path: input)
    } else {
      let count = events ?? 100_000
      workload = BankWorkload(eventCount: count, originators: originators ?? max(1, count / 100))
    }
    let benchmark = try Benchmark(workload: workload, scratch: ScratchDirectory(in: directory), isPlain: plain)
    try await benchmark.run()
    try OutputBuffer.printing { output in
      output.append(json ? benchmark.report.json() + "\n" : benchmark.report.table())
    }
  }
}

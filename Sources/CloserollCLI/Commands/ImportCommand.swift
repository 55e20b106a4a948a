import ArgumentParser
import SegmentStorage

/// `closeroll import`: stores events from JSON lines.
struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Store events from JSON lines; makes the store where there is none.",
    discussion: """
      Each line is one event:

        {"originator_id": "815383cd-d4d5-56d7-a9ae-04946d988cd4", "originator_version": 0, "topic": "Ward.Admitted",
         "timestamp": "2013-11-07T08:18:29.000Z", "state": {"patient": "XJ", "age": 90}}

      (on one line). The timestamp's text and the state's JSON are kept as they are, digit by digit. A batch is stored \
      wholly or not at all: an invalid line, or a version that is stored already, ends the import with an error that \
      names it, and the batches before it stay.

        closeroll import ward-store --input events.jsonl --key-file ward.key
        producer | closeroll import ward-store --batch 1 --acknowledge
        closeroll import ward-store --input events.jsonl --skip-existing     # go on with an import that broke off
      """)

  @Argument(help: "The store's directory; its parent must exist.", completion: .directory)
  var store: String

  @Option(help: ArgumentHelp("JSON lines; - is the standard input.", valueName: "file"), completion: .file())
  var input = "-"

  @Option(help: "Whose events these are.")
  var application = Application.defaultName

  @Option(help: ArgumentHelp("Events in a commit, 1 to \(StorageLimits.recordsPerCommit).", valueName: "n"))
  var batch = 1000

  enum DurabilityChoice: String, ExpressibleByArgument, CaseIterable { case commit, none }

  @Option(
    help:
      "commit: each batch is on the device before the next; none: all are at the end, and a power cut may lose some.")
  var durability = DurabilityChoice.commit

  @Option(
    help: ArgumentHelp("Begin a new file of the store after so many bytes: 65536 to 1073741824.", valueName: "bytes"))
  var segmentSize: UInt64 = StoreOptions().segmentSize

  @Flag(help: "Print each commit's last notification ID on a line, as soon as the commit is durable.")
  var acknowledge = false

  @Flag(help: "Pass over events that are stored with equal content.")
  var skipExisting = false

  @OptionGroup var key: KeyOptions

  func validate() throws {
    guard (1...StorageLimits.recordsPerCommit).contains(batch) else {
      throw ValidationError("--batch is 1 to \(StorageLimits.recordsPerCommit), not \(batch).")
    }
    guard (64 << 10...1 << 30).contains(segmentSize) else {
      throw ValidationError("--segment-size is 65536 to 1073741824, not \(segmentSize).")
    }
    guard (1...StorageLimits.name).contains(application.utf8.count) else {
      throw ValidationError("--application is a name of 1 to \(StorageLimits.name) bytes.")
    }
  }

  func run() throws {
    let key = try self.key.require()
    // Before the store is made: a name that is misspelt, or that of a directory, leaves nothing behind.
    var reader = try LineReader(path: input)
    var options = StoreOptions()
    options.durability = durability == .commit ? .commit : .none
    options.segmentSize = segmentSize
    let store = try SegmentStore.open(self.store, key: key, options: options)
    var importer = Importer(
      store: store, partition: try store.partition(application: application),
      options: ImportOptions(
        batch: batch, isDurable: durability == .commit, acknowledges: acknowledge, skipsExisting: skipExisting))
    do {
      try importer.run(&reader)
    } catch {
      // The input's error is told; that of a close behind it would hide it.
      try? store.close()
      throw error
    }
    let last = store.lastNotificationID(try store.partition(application: application))
    try store.close()
    guard !acknowledge else { return }
    let result = importer.result
    var output = OutputBuffer()
    output.append(
      "\(Numbers.grouped(result.imported)) events imported"
        + (skipExisting ? ", \(Numbers.grouped(result.skipped)) were there" : "")
        + "; the last notification is \(Numbers.grouped(last)).\n")
    try output.flush()
  }
}

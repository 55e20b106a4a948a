import ArgumentParser
import SegmentStorage

/// What the commands say that read one application's events.
struct ReadingOptions: ParsableArguments {
  @Argument(help: "The store's directory.", completion: .directory)
  var store: String

  @Option(help: "Whose events; may be left out where the store holds one application's only.")
  var application: String?

  @OptionGroup var key: KeyOptions

  @OptionGroup var expectation: ExpectationOptions

  /// Opens the store for reading; works beside a writer.
  func open() throws -> SegmentStore {
    var options = StoreOptions()
    options.access = .read
    options.expectedHead = expectation.head
    return try SegmentStore.open(store, key: try key.require(), options: options)
  }
}

/// A head that was kept elsewhere: the same option in every command that looks for it.
struct ExpectationOptions: ParsableArguments {
  @Option(
    name: .customLong("expecting"),
    help: ArgumentHelp(
      "A head that stat printed earlier: fail if the store does not go on from it.", valueName: "head"),
    transform: { text in
      do {
        return try StoreHead(parsing: text)
      } catch {
        throw ValidationError("\(error)")
      }
    })
  var head: StoreHead?
}

enum Application {
  /// Whose events are imported when nothing is said.
  static let defaultName = "default"
}

extension ReadingOptions {
  /// The partition to read; `nil` when the store holds nothing at all.
  ///
  /// - Throws: a ``Failure`` for an application that the store does not hold, or when it holds several and none was named.
  func partition(of store: SegmentStore) throws -> Partition? {
    let names = Set(try store.statistics().partitions.map(\.application)).sorted()
    let known = names.map(\.shown).joined(separator: ", ")
    if let application {
      guard names.isEmpty || names.contains(application) else {
        throw Failure(.data, "The store holds no events of the application \(application.shown); it holds: \(known).")
      }
      return try store.partition(application: application)
    }
    guard names.count <= 1 else {
      throw Failure(.usage, "The store holds several applications: say --application with one of: \(known).")
    }
    return try names.first.map { try store.partition(application: $0) }
  }
}

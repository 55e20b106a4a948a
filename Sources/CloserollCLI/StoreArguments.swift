import ArgumentParser
import SegmentStorage

/// What the commands say that read one application's events.
struct ReadingOptions: ParsableArguments {
  @Argument(help: "The store's directory.", completion: .directory)
  var store: String

  @Option(help: "Whose events; may be left out where the store holds one application's only.")
  var application: String?

  @OptionGroup var key: KeyOptions

  /// Opens the store for reading; works beside a writer.
  func open() throws -> SegmentStore {
    var options = StoreOptions()
    options.access = .read
    return try SegmentStore.open(store, key: try key.require(), options: options)
  }
}

enum Application {
  /// Whose events are imported when nothing is said.
  static let defaultName = "default"
}

extension ReadingOptions {
  /// The partition to read; `nil` when the store holds nothing at all.
  func partition(of store: SegmentStore) throws -> Partition? {
    try store.partition(application: application ?? Application.defaultName)
  }
}

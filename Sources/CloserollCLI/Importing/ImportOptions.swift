import SegmentStorage

/// How an import goes about it.
struct ImportOptions {
  /// Events a commit.
  var batch = 1000
  /// Whether commits wait for the device.
  var isDurable = true
  /// Whether each commit's last notification ID is printed once it is durable.
  var acknowledges = false
  /// Whether a line whose event is stored with equal content is passed over.
  var skipsExisting = false
}

/// What an import did.
struct ImportResult {
  var imported = 0
  var skipped = 0
  var commits = 0
}

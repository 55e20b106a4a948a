extension String {
  /// A text from a store or an input as a terminal may have it: control characters would be commands to it, and those of
  /// direction would make a message read as another.
  var shown: String {
    String(
      String.UnicodeScalarView(
        unicodeScalars.map {
          $0.properties.generalCategory == .control || $0.properties.isBidiControl ? "\u{FFFD}" : $0
        }))
  }
}

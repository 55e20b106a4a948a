import Glibc

/// A line on a terminal's standard error that counts; nothing anywhere else.
struct Progress {
  private let what: String
  private let isShown = StandardError.isTerminal
  private var lastShown: UInt64 = 0
  private var hasLine = false

  init(_ what: String) { self.what = what }

  mutating func update(_ count: Int) {
    guard isShown else { return }
    let now = Clock.nanoseconds()
    guard now &- lastShown > 100_000_000 else { return }
    lastShown = now
    hasLine = true
    StandardError.write("\r\(Numbers.grouped(count)) \(what)")
  }

  /// Takes the line away.
  mutating func finish() {
    if hasLine { StandardError.write("\r\u{1B}[K") }
    hasLine = false
  }
}

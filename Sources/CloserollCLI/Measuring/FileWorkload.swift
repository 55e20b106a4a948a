import SegmentStorage

/// The events of a file of JSON lines, measured in the form in which an import stores them.
struct FileWorkload: Workload {
  let path: String
  let eventCount: Int
  private let source: Source

  /// What has a place in the file.
  private final class Source {
    var reader: LineReader
    var parser = EventLineParser()

    init(path: String) throws { reader = try LineReader(path: path) }

    /// Adds the next event; whether there was one.
    func next(_ body: (EventLine) -> Void) throws -> Bool {
      while let line = try reader.next() {
        do throws(JSONFault) {
          guard let event = try parser.parse(line) else { continue }
          body(event)
          return true
        } catch {
          throw Failure(.data, "Line \(reader.lineNumber), byte \(error.offset + 1): \(error.what).")
        }
      }
      return false
    }
  }

  init(path: String) throws {
    guard path != "-" else { throw Failure(.usage, "A benchmark reads its input several times: give a file.") }
    self.path = path
    let counter = try Source(path: path)
    var count = 0
    while try counter.next({ _ in }) { count += 1 }
    guard count > 0 else { throw Failure(.data, "There are no events in \(path).") }
    eventCount = count
    source = try Source(path: path)
  }

  var description: String { "\(Numbers.grouped(eventCount)) events of \(path)" }

  mutating func rewind() throws { source.reader = try LineReader(path: path) }

  mutating func fill(_ block: inout EventBlock, _ count: Int) throws {
    block.removeAll()
    while block.count < count {
      guard try source.next({ block.add($0.originator, $0.position, topic: $0.topic, state: $0.state) }) else { return }
    }
  }
}

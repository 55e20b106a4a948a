internal import Sealing

/// Finds a name's number by its bytes, without making a `String`.
///
/// Not thread-safe: the group's leader owns it.
struct NameTable {
  private(set) var names: [[UInt8]]
  private var slots: ContiguousArray<Int32>

  init(_ names: [[UInt8]]) {
    self.names = names
    slots = []
    rebuild()
  }

  private mutating func rebuild() {
    var size = 64
    while size < names.count * 2 { size *= 2 }
    slots = ContiguousArray(repeating: -1, count: size)
    for index in names.indices { place(Int32(index)) }
  }

  private mutating func place(_ number: Int32) {
    var slot = names[Int(number)].withUnsafeBytes { Int(CRC32C.checksum($0)) } & (slots.count - 1)
    while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = number
  }

  @inline(__always)
  func number(of name: UnsafeRawBufferPointer) -> UInt32? {
    var slot = Int(CRC32C.checksum(name)) & (slots.count - 1)
    while slots[slot] >= 0 {
      let candidate = names[Int(slots[slot])]
      if candidate.count == name.count, candidate.withUnsafeBytes({ $0.elementsEqual(name) }) {
        return UInt32(slots[slot])
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  mutating func add(_ name: UnsafeRawBufferPointer) -> UInt32 {
    names.append(Array(name))
    if names.count * 2 > slots.count { rebuild() } else { place(Int32(names.count - 1)) }
    return UInt32(names.count - 1)
  }

  /// Forgets the names behind the first `count`: a group that failed.
  mutating func rollBack(to count: Int) {
    guard names.count > count else { return }
    names.removeLast(names.count - count)
    rebuild()
  }
}

/// Bytes that are filled, used and filled again. Not thread-safe; what it held is valid until it changes.
final class GrowingBuffer {
  private var storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
  private(set) var count = 0

  deinit { storage.deallocate() }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[..<count]) }

  func removeAll() { count = 0 }

  func append(_ bytes: UnsafeRawBufferPointer) {
    reserve(bytes.count)
    if let source = bytes.baseAddress {
      storage.baseAddress?.advanced(by: count).copyMemory(from: source, byteCount: bytes.count)
    }
    count += bytes.count
  }

  func append(_ text: StaticString) {
    append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private func reserve(_ more: Int) {
    guard count + more > storage.count else { return }
    let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(storage.count * 2, count + more), alignment: 16)
    larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[..<count]))
    storage.deallocate()
    storage = larger
  }
}

/// Where a record stands in its segment.
struct RecordLocation: Equatable {
  var position: Int64
  var frameOffset: UInt32
  var blobOffset: UInt32
  var recordIndex: UInt16
  var flags: RecordFlags = []
}

/// What a record is besides a state at a position.
struct RecordFlags: OptionSet, Equatable {
  var rawValue: UInt8
  /// A version of a document: only the last one in the log counts.
  static let document = RecordFlags(rawValue: 1)
  /// The record at this position that stands before it in the log is deleted.
  static let tombstone = RecordFlags(rawValue: 2)
}

/// What records are found by: role, application and originator.
struct OriginatorKey: Hashable {
  var originator: OriginatorID
  var application: UInt32
  var role: RecordRole

  /// Not keyed: an attacker who chooses IDs can make slots collide, and slow down, but not confuse, the store.
  @inline(__always)
  var hash: UInt64 {
    var word = originator.high ^ (originator.low &* 0x9E37_79B9_7F4A_7C15)
    word ^= UInt64(application) << 8 | UInt64(role.rawValue)
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}

/// Where a frame stands, and what is needed to start reading there: an entry of the sparse directory from notification
/// IDs to places.
struct DirectoryEntry: Equatable {
  var partition: UInt32
  /// The epoch that the metadata of the frame is sealed with.
  var epoch: UInt32
  /// The first notification ID in the frame.
  var firstID: Int64
  var frameOffset: UInt32
  var link: LinkTag
}

/// The index of records that are in no run yet: an open-addressed table from originators to chains of places.
///
/// Not thread-safe; the store's index lock guards it. Adding a record allocates nothing but, now and then, a larger
/// table. Some 24 bytes a record and 56 an originator.
final class ActiveIndex {
  private struct Slot {
    var key = OriginatorKey(originator: OriginatorID(high: 0, low: 0), application: 0, role: .event)
    var isUsed = false
    /// The highest position in any run, -1 for none.
    var sealedMaximum: Int64 = -1
    /// The highest position anywhere.
    var maximum: Int64 = -1
    var lastEntry: Int32 = -1
  }

  private struct Entry {
    var location: RecordLocation
    var previous: Int32
    var slot: Int32
  }

  private var slots: ContiguousArray<Slot>
  private var used = 0
  private var entries: ContiguousArray<Entry> = []
  private(set) var directory: ContiguousArray<DirectoryEntry> = []
  /// Bytes of log between two entries of the directory for one partition.
  static let directoryInterval: UInt32 = 16 << 10
  private var lastDirectoryOffset: [UInt32] = []

  init(minimumSlots: Int = 64) {
    slots = ContiguousArray(repeating: Slot(), count: minimumSlots)
  }

  /// What another index holds now: shares its memory until one of the two changes.
  init(copying other: ActiveIndex) {
    slots = other.slots
    used = other.used
    entries = other.entries
    directory = other.directory
    lastDirectoryOffset = other.lastDirectoryOffset
  }

  var count: Int { entries.count }
  var originatorCount: Int { used }

  /// The slot of a key, or -1.
  @inline(__always)
  func slot(of key: OriginatorKey) -> Int {
    var index = Int(truncatingIfNeeded: key.hash) & (slots.count - 1)
    while slots[index].isUsed {
      if slots[index].key == key { return index }
      index = (index + 1) & (slots.count - 1)
    }
    return -1
  }

  /// Makes a slot for a key that has none.
  ///
  /// - Parameter sealedMaximum: the highest position of the key in any run, -1 for none.
  func makeSlot(_ key: OriginatorKey, sealedMaximum: Int64) -> Int {
    if (used + 1) * 2 > slots.count { growTable() }
    var index = Int(truncatingIfNeeded: key.hash) & (slots.count - 1)
    while slots[index].isUsed { index = (index + 1) & (slots.count - 1) }
    slots[index] = Slot(
      key: key, isUsed: true, sealedMaximum: sealedMaximum, maximum: sealedMaximum, lastEntry: -1)
    used += 1
    return index
  }

  private func growTable() {
    let old = slots
    slots = ContiguousArray(repeating: Slot(), count: old.count * 2)
    var moved = ContiguousArray<Int32>(repeating: -1, count: old.count)
    for index in old.indices where old[index].isUsed {
      var place = Int(truncatingIfNeeded: old[index].key.hash) & (slots.count - 1)
      while slots[place].isUsed { place = (place + 1) & (slots.count - 1) }
      slots[place] = old[index]
      moved[index] = Int32(place)
    }
    for index in entries.indices { entries[index].slot = moved[Int(entries[index].slot)] }
  }

  /// The highest position in runs is not known yet: it is looked up before the first append.
  static let unknownMaximum: Int64 = -2

  /// Fills in what the runs hold.
  func setSealedMaximum(_ slot: Int, _ maximum: Int64) {
    slots[slot].sealedMaximum = maximum
    slots[slot].maximum = max(slots[slot].maximum, maximum)
  }

  /// The highest position of the slot's key anywhere, and in runs only; -1 for none.
  @inline(__always)
  func maxima(_ slot: Int) -> (anywhere: Int64, sealed: Int64) { (slots[slot].maximum, slots[slot].sealedMaximum) }

  /// What this index knows of a position last: a record, a tombstone, or nothing.
  func last(_ slot: Int, position: Int64) -> RecordLocation? {
    var index = slots[slot].lastEntry
    while index >= 0 {
      if entries[Int(index)].location.position == position { return entries[Int(index)].location }
      index = entries[Int(index)].previous
    }
    return nil
  }

  /// The place of the last record of a key below `limit`: of a document, the one that counts.
  func latest(_ key: OriginatorKey, below limit: Int) -> RecordLocation? {
    let slot = slot(of: key)
    guard slot >= 0 else { return nil }
    var index = slots[slot].lastEntry
    while index >= 0, Int(entries[Int(index)].location.frameOffset) >= limit { index = entries[Int(index)].previous }
    return index >= 0 ? entries[Int(index)].location : nil
  }

  /// Calls `body` with the last version below `limit` of each of an application's documents.
  func forEachDocument(of application: UInt32, below limit: Int, _ body: (OriginatorID, RecordLocation) -> Void) {
    for slot in slots where slot.isUsed && slot.key.role == .document && slot.key.application == application {
      if let location = latest(slot.key, below: limit) { body(slot.key.originator, location) }
    }
  }

  /// Where to start reading to come to a frame: the last remembered frame that is not behind it.
  func directoryEntry(before offset: UInt32) -> DirectoryEntry? {
    // Entries are in log order.
    var low = 0
    var high = directory.count
    while low < high {
      let middle = (low + high) / 2
      if directory[middle].frameOffset <= offset { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? directory[low - 1] : nil
  }

  @inline(__always)
  func insert(_ slot: Int, _ location: RecordLocation) {
    entries.append(Entry(location: location, previous: slots[slot].lastEntry, slot: Int32(slot)))
    slots[slot].lastEntry = Int32(entries.count - 1)
    if location.position > slots[slot].maximum { slots[slot].maximum = location.position }
  }

  /// Remembers a frame in the sparse directory, unless the partition's last remembered one is near.
  func noteFrame(_ entry: DirectoryEntry) {
    let partition = Int(entry.partition)
    while lastDirectoryOffset.count <= partition { lastDirectoryOffset.append(0) }
    let last = lastDirectoryOffset[partition]
    guard last == 0 || entry.frameOffset - last >= Self.directoryInterval else { return }
    lastDirectoryOffset[partition] = entry.frameOffset
    directory.append(entry)
  }

  /// Forgets everything behind the first `count` records and `directoryCount` directory entries: a group that failed.
  func rollBack(to count: Int, directoryCount: Int) {
    while entries.count > count {
      let entry = entries.removeLast()
      let slot = Int(entry.slot)
      slots[slot].lastEntry = entry.previous
      if entry.location.position == slots[slot].maximum {
        var maximum = slots[slot].sealedMaximum
        var index = entry.previous
        while index >= 0 {
          maximum = max(maximum, entries[Int(index)].location.position)
          index = entries[Int(index)].previous
        }
        slots[slot].maximum = maximum
      }
    }
    if directory.count > directoryCount {
      directory.removeLast(directory.count - directoryCount)
      for partition in lastDirectoryOffset.indices {
        lastDirectoryOffset[partition] = directory.last { Int($0.partition) == partition }?.frameOffset ?? 0
      }
    }
  }

  /// Appends the places of a key's records below `limit`, in the order in which they were written.
  func collect(_ key: OriginatorKey, below limit: Int, into output: inout ContiguousArray<RecordLocation>) {
    let slot = slot(of: key)
    guard slot >= 0 else { return }
    let start = output.count
    var index = slots[slot].lastEntry
    while index >= 0 {
      let entry = entries[Int(index)]
      if Int(entry.location.frameOffset) < limit { output.append(entry.location) }
      index = entry.previous
    }
    output[start...].reverse()
  }

  /// Calls `body` once for each key with its records' places in the order written.
  func forEachOriginator<Failure: Error>(
    _ body: (OriginatorKey, ContiguousArray<RecordLocation>) throws(Failure) -> Void
  ) throws(Failure) {
    var locations: ContiguousArray<RecordLocation> = []
    for slot in slots where slot.isUsed && slot.lastEntry >= 0 {
      locations.removeAll(keepingCapacity: true)
      var index = slot.lastEntry
      while index >= 0 {
        locations.append(entries[Int(index)].location)
        index = entries[Int(index)].previous
      }
      locations.reverse()
      try body(slot.key, locations)
    }
  }

  /// All keys that have records here.
  var keys: [OriginatorKey] { slots.filter { $0.isUsed && $0.lastEntry >= 0 }.map(\.key) }

  /// The directory's entry to start from when looking for a notification ID: the last one of the partition that does not
  /// start behind it; `nil` if there is none.
  func directoryEntry(partition: UInt32, id: Int64) -> DirectoryEntry? {
    var low = 0
    var high = directory.count
    var best: DirectoryEntry?
    // Entries are in log order, so a partition's are in the order of IDs, but others' stand between them.
    while low < high {
      let middle = (low + high) / 2
      var probe = middle
      while probe < high && directory[probe].partition != partition { probe += 1 }
      if probe < high, directory[probe].firstID <= id {
        best = directory[probe]
        low = probe + 1
      } else {
        high = middle
      }
    }
    return best
  }
}

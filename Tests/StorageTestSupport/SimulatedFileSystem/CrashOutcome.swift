/// What a crash leaves of the changes that were not made durable.
///
/// A change is a write, a truncation, or a new, renamed or removed name. Changes are numbered in the order in which
/// they were made, over all files (see ``SimulatedFileSystem/unsyncedOperations``).
public enum CrashOutcome: Sendable, Equatable {
  /// Nothing: what was durable, and no more.
  case allLost
  /// Everything, as if all had been flushed a moment before.
  case allKept
  /// Some of it, torn and out of order, as the seed has it: single writes, sectors, sizes and names are kept or lost
  /// on their own, and sectors may hold zeros or garbage.
  case random(seed: UInt64)
  /// The first so many changes, in order.
  case prefix(Int)
  /// The changes with these numbers.
  case subset(Set<Int>)
  /// All names; each unsynced sector as said, in the order of ``SimulatedFileSystem/unsyncedSectors`` (those beyond
  /// the end of the array are ``SectorOutcome/new``), and every size old or new.
  case sectors([SectorOutcome], size: SizeOutcome = .new)
  /// As chosen one by one.
  case explicit(CrashChoices)
}

/// What a crash leaves in one 512-byte sector of which bytes were written and not flushed.
///
/// Only the written bytes are concerned, unless ``SimulatedFileSystem/sharedSectorsAtRisk`` says otherwise.
public enum SectorOutcome: Sendable, Equatable, CaseIterable {
  /// What was durable; zeros where there was nothing.
  case old
  /// What was written.
  case new
  /// Zeros.
  case zero
  /// Bytes that nobody wrote.
  case garbage
}

/// Which size a crash leaves a file with.
public enum SizeOutcome: Sendable, Equatable {
  /// The durable size: what was written beyond it is gone.
  case old
  /// The size that the file had, even if the content is lost.
  case new
  /// Another size, as between two writes.
  case exactly(Int)
}

/// A 512-byte sector of a file that holds bytes which were written and not flushed.
public struct SimulatedSector: Sendable, Hashable, CustomStringConvertible {
  /// The file, whatever its name.
  public let file: Int
  /// The file's present path.
  public let path: String
  /// The sector's number in the file: its first byte is 512 times this.
  public let index: Int

  /// Like "store/HEAD#0".
  public var description: String { "\(path)#\(index)" }

  public static func == (left: SimulatedSector, right: SimulatedSector) -> Bool {
    left.file == right.file && left.index == right.index
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(file)
    hasher.combine(index)
  }

  /// Bytes in a sector.
  public static let size = 512
}

/// A change that a crash may undo.
public struct UnsyncedOperation: Sendable, Equatable, CustomStringConvertible {
  /// The number to use in ``CrashOutcome/subset(_:)``: its place in the list.
  public let index: Int
  /// `write`, `truncate`, `open` (a new file), `createDirectory`, `rename` or `remove`.
  public let kind: SimulatedCall.Kind
  /// The path when the change was made; for writes, the file's present path.
  public let path: String
  /// For a write, where.
  public let offset: Int
  /// For a write, how many bytes; for a truncation, the size.
  public let length: Int

  /// Like "#3 write store/HEAD 0+64".
  public var description: String { "#\(index) \(kind.rawValue) \(path) \(offset)+\(length)" }
}

/// A crash chosen in detail. Whatever is not mentioned follows the defaults.
public struct CrashChoices: Sendable, Equatable {
  /// Sectors with an outcome of their own.
  public var sectors: [SimulatedSector: SectorOutcome]
  /// All other unsynced sectors.
  public var otherSectors: SectorOutcome
  /// Files with a size of their own, by present path.
  public var sizes: [String: SizeOutcome]
  /// All other files.
  public var otherSizes: SizeOutcome
  /// Numbers of the changes that never happened: writes, truncations and names.
  public var lost: Set<Int>

  public init(
    sectors: [SimulatedSector: SectorOutcome] = [:], otherSectors: SectorOutcome = .new,
    sizes: [String: SizeOutcome] = [:], otherSizes: SizeOutcome = .new, lost: Set<Int> = []
  ) {
    self.sectors = sectors
    self.otherSectors = otherSectors
    self.sizes = sizes
    self.otherSizes = otherSizes
    self.lost = lost
  }
}

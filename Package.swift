// swift-tools-version: 6.2

import PackageDescription

/// Language features that every Swift target of the package is written in.
let houseStyle: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
  name: "closeroll",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Closeroll", targets: ["Closeroll"]),
    .library(name: "EventSourcing", targets: ["EventSourcing"]),
    .library(name: "SegmentStorage", targets: ["SegmentStorage"]),
    .library(name: "StorageTestSupport", targets: ["StorageTestSupport"]),
    .executable(name: "closeroll", targets: ["CloserollCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // System libraries and C shims.
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CPlatform"),

    // The engine: no Foundation, no knowledge of events.
    .target(
      name: "Sealing", dependencies: ["CLZ4", "CLibcrypto", "CPlatform"],
      swiftSettings: houseStyle),
    .target(
      name: "SegmentStorage", dependencies: ["Sealing", "CPlatform"], swiftSettings: houseStyle),

    // The application layer, the same over every store.
    .target(
      name: "EventSourcing", dependencies: ["Sealing", "CLZ4", "CZlib"], swiftSettings: houseStyle),
    .target(
      name: "EventSourcingSegments", dependencies: ["EventSourcing", "SegmentStorage", "Sealing"],
      swiftSettings: houseStyle),
    .target(
      name: "Closeroll", dependencies: ["EventSourcing", "EventSourcingSegments", "SegmentStorage", "Sealing"],
      swiftSettings: houseStyle),

    // The command.
    .executableTarget(
      name: "CloserollCLI",
      dependencies: [
        "Closeroll", "EventSourcing", "EventSourcingSegments", "SegmentStorage", "Sealing",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: houseStyle),

    // Tests.
    .target(
      name: "StorageTestSupport", dependencies: ["SegmentStorage", "Sealing"],
      path: "Tests/StorageTestSupport", swiftSettings: houseStyle),
    .testTarget(name: "SealingTests", dependencies: ["Sealing"], swiftSettings: houseStyle),
    .testTarget(
      name: "SegmentStorageTests", dependencies: ["SegmentStorage", "Sealing", "StorageTestSupport"],
      swiftSettings: houseStyle),
    .target(
      name: "EventSourcingTestSupport", dependencies: ["EventSourcing"],
      path: "Tests/EventSourcingTestSupport", swiftSettings: houseStyle),
    .testTarget(
      name: "EventSourcingTests", dependencies: ["EventSourcing", "EventSourcingTestSupport", "Sealing"],
      swiftSettings: houseStyle),
    .executableTarget(
      name: "OrdersProcess", dependencies: ["Closeroll", "EventSourcing", "EventSourcingTestSupport"],
      path: "Tests/OrdersProcess", swiftSettings: houseStyle),
    .testTarget(
      name: "EventSourcingSegmentsTests",
      dependencies: [
        "Closeroll", "EventSourcing", "EventSourcingSegments", "EventSourcingTestSupport", "OrdersProcess", "Sealing",
        "SegmentStorage", "StorageTestSupport",
      ],
      swiftSettings: houseStyle),
    .testTarget(
      name: "CloserollCLITests", dependencies: ["CloserollCLI", "SegmentStorage", "Sealing"], swiftSettings: houseStyle),
  ],
  swiftLanguageModes: [.v6]
)

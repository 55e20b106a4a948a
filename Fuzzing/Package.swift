// swift-tools-version: 6.2

import PackageDescription

// A package of its own: whoever uses Closeroll neither fetches nor builds this, and the flags that a fuzzer needs stand in no
// manifest that others depend on. Built and run by `make fuzz`, which instruments the engine as well.
let package = Package(
  name: "closeroll-fuzzing",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "closeroll", path: "..")],
  targets: [
    .executableTarget(
      name: "CloserollFuzz",
      dependencies: [
        .product(name: "SegmentStorage", package: "closeroll"),
        .product(name: "EventSourcing", package: "closeroll"),
        .product(name: "StorageTestSupport", package: "closeroll"),
      ],
      // `Input` is the command's: the lines of an import.
      exclude: ["Input/LineReader.swift"],
      swiftSettings: [
        .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
      ])
  ],
  swiftLanguageModes: [.v6]
)

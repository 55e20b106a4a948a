// swift-tools-version: 6.2

import PackageDescription

// Examples to read and to run: `swift run --package-path Examples BankAccount`.
let package = Package(
  name: "examples",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "closeroll", path: "..")],
  targets: [
    .executableTarget(name: "BankAccount", dependencies: [.product(name: "Closeroll", package: "closeroll")]),
    .executableTarget(name: "OrdersSystem", dependencies: [.product(name: "Closeroll", package: "closeroll")]),
    .executableTarget(name: "Balances", dependencies: [.product(name: "Closeroll", package: "closeroll")]),
  ],
  swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.2

import PackageDescription

// A package of your own names the repository by its address: .package(url: …, from: …).
let package = Package(
  name: "prune-by-score",
  dependencies: [.package(name: "nas-search", path: "../..")],
  targets: [
    .executableTarget(
      name: "prune-by-score",
      dependencies: [
        "Calibration", "Checkpoints", "Evaluation", "Exports", "Importance", "LanguageModels", "Reformation", "Subnets",
      ].map { .product(name: $0, package: "nas-search") },
      path: "Sources")
  ]
)

// swift-tools-version: 6.2

import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
]

/// A library module of the pipeline. `Sources/README.md` draws the order in which they import each other.
func module(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
  .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

func tests(of name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.init(stringLiteral: name), "TestSupport"] + dependencies, exclude: exclude,
    swiftSettings: strict)
}

/// What other packages may import; `docs/example` does.
let libraries = [
  "Runtime", "LinearAlgebra", "Checkpoints", "Tokenizers", "LanguageModels", "Calibration", "Importance", "Subnets",
  "Reformation", "Evaluation", "Tasks", "LossRepair", "Search", "Studies", "Methods", "Reports", "Exports",
  "Pipeline", "Serving",
]

let package = Package(
  name: "nas-search",
  products: [.executable(name: "nas-search", targets: ["nas-search"])]
    + libraries.map { .library(name: $0, targets: [$0]) },
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
  ],
  targets: [
    .systemLibrary(
      name: "CNumerics", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev", "libgsl-dev"])]),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(
      name: "CCompression", pkgConfig: "libzstd", providers: [.apt(["zlib1g-dev", "libzstd-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "CKernels"),
    module("Runtime", ["CNumerics", "CKernels", "CCrypto"]),
    module("LinearAlgebra", ["Runtime", "CNumerics", "CKernels"]),
    module("Checkpoints", ["CKernels"]),
    module("Tokenizers", ["Checkpoints"]),
    .target(
      name: "LanguageModels", dependencies: ["LinearAlgebra", "Checkpoints", "Tokenizers", "Runtime"],
      resources: [.embedInCode("Description/Families/Modules")], swiftSettings: strict),
    module("Calibration", ["LanguageModels", "LinearAlgebra", "Runtime", "Checkpoints", "Tokenizers", "CCompression"]),
    module("Importance", ["Calibration", "LanguageModels", "LinearAlgebra", "Runtime"]),
    .target(
      name: "Subnets", dependencies: ["LanguageModels", "LinearAlgebra", "Runtime", "Search", "Yams"],
      exclude: ["search-spaces/README.md"],
      // A link to the folder at the top: resources must lie inside their target.
      resources: [.embedInCode("search-spaces")], swiftSettings: strict),
    module("Reformation", ["Subnets", "Calibration", "Importance", "LanguageModels", "LinearAlgebra", "Runtime"]),
    module("Evaluation", ["LanguageModels", "LinearAlgebra", "Runtime", "Search", "Subnets"]),
    module(
      "Tasks", ["LanguageModels", "Tokenizers", "Calibration", "Checkpoints", "LinearAlgebra", "Runtime"]),
    module(
      "Serving",
      [
        "LanguageModels", "Tokenizers", "Calibration", "Checkpoints", "LinearAlgebra",
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ]),
    module("LossRepair", ["LanguageModels", "LinearAlgebra", "Runtime", "Subnets", "Evaluation"]),
    module("Search", ["LinearAlgebra", "Runtime", "CNumerics"]),
    .target(
      name: "Studies", dependencies: ["Search", "Checkpoints", "CPostgres", "CSQLite"],
      resources: [.embedInCode("optuna.sql")], swiftSettings: strict),
    .target(
      name: "Reports", dependencies: ["Checkpoints", "Evaluation", "Subnets", "LanguageModels", "Search", "Tasks"],
      exclude: ["README.md"], resources: [.embedInCode("Page/Assets")], swiftSettings: strict),
    .target(
      name: "Exports", dependencies: ["LanguageModels", "LinearAlgebra", "Runtime", "Checkpoints", "Tokenizers"],
      exclude: ["README.md"],
      swiftSettings: strict),
    module(
      "Workbench",
      [
        "Search", "Subnets", "Calibration", "Importance", "Reformation", "Evaluation", "LossRepair", "LanguageModels",
        "LinearAlgebra", "Runtime",
      ]),
    module(
      "Methods",
      [
        "Workbench", "Search", "Subnets", "Calibration", "Importance", "Reformation", "Evaluation", "LanguageModels",
        "LinearAlgebra", "Runtime",
      ], exclude: ["README.md"]),
    module(
      "Pipeline",
      [
        "LanguageModels", "Checkpoints", "Tokenizers", "Calibration", "Importance", "Search", "Subnets", "Reformation",
        "Evaluation", "Workbench", "Methods", "Studies", "Reports", "Exports", "LossRepair", "LinearAlgebra", "Runtime",
        "Tasks", "Serving",
      ]),
    .executableTarget(
      name: "nas-search",
      dependencies: [
        "Pipeline", "LanguageModels", "Checkpoints", "Calibration", "Importance", "Subnets", "Reformation", "Workbench",
        "Methods", "Evaluation", "LossRepair", "Search", "Reports", "Exports", "Studies", "LinearAlgebra", "Runtime",
        "Tasks",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict),
    .executableTarget(
      name: "speed-benchmark",
      dependencies: [
        "CKernels", "LinearAlgebra", "Runtime", "LanguageModels", "Calibration", "Evaluation", "Search", "Subnets",
      ],
      path: "Benchmarks/Speed", exclude: ["README.md", "peers.py"], swiftSettings: strict),
    .executableTarget(
      name: "optimizer-benchmark", dependencies: ["Search", "LinearAlgebra", "Runtime"], path: "Benchmarks/Optimizers",
      exclude: ["README.md", "peers.py", "record.py", "recorded.csv", "recorded.yaml", "table.py"],
      swiftSettings: strict),
    .target(name: "TestSupport", dependencies: ["Runtime"], path: "Tests/TestSupport", swiftSettings: strict),
    tests(of: "Runtime", ["CKernels", "LinearAlgebra"]),
    tests(of: "LinearAlgebra", ["CKernels", "Runtime"]),
    tests(of: "LanguageModels", ["LinearAlgebra", "Runtime", "Checkpoints", "Tokenizers"]),
    tests(
      of: "Calibration", ["LinearAlgebra", "Runtime", "Checkpoints", "Tokenizers", "LanguageModels"],
      exclude: ["Fixtures", "make_texts.py"]),
    tests(of: "Importance", ["LinearAlgebra", "Runtime", "LanguageModels", "Calibration"]),
    tests(of: "Subnets", ["LinearAlgebra", "Runtime", "LanguageModels", "Search"]),
    tests(of: "Reformation", ["LinearAlgebra", "Runtime", "LanguageModels", "Calibration", "Importance", "Subnets"]),
    tests(of: "Evaluation", ["LinearAlgebra", "Runtime", "LanguageModels", "Search", "Subnets"]),
    tests(
      of: "Tasks",
      ["LanguageModels", "Tokenizers", "Calibration", "Checkpoints", "LinearAlgebra", "Runtime"],
      exclude: ["Fixtures", "make_boundaries.py"]),
    tests(of: "Serving", ["LanguageModels", "Tokenizers", "Checkpoints"]),
    tests(of: "LossRepair", ["LinearAlgebra", "Runtime", "LanguageModels", "Subnets", "Evaluation"]),
    tests(
      of: "Methods",
      [
        "LinearAlgebra", "Runtime", "LanguageModels", "Calibration", "Importance", "Subnets", "Reformation",
        "Evaluation", "Workbench",
      ]),
    tests(of: "Checkpoints", ["CKernels"], exclude: ["Fixtures", "make_fixtures.py"]),
    .testTarget(
      name: "TokenizersTests", dependencies: ["Tokenizers", "Checkpoints"],
      exclude: ["make_fixtures.py", "make_odd_fixtures.py", "make_gguf_fixtures.py"],
      resources: [.copy("Fixtures")], swiftSettings: strict),
    tests(of: "Search", ["LinearAlgebra", "Runtime"], exclude: ["make_gp_reference.py"]),
    tests(of: "Studies", ["StudiesTestWorker"]),
    .executableTarget(
      name: "StudiesTestWorker", dependencies: ["Studies", "Search"], path: "Tests/StudiesTestWorker",
      swiftSettings: strict),
    tests(of: "Reports", ["Checkpoints", "Evaluation", "Subnets", "LanguageModels", "Search"], exclude: ["Fixtures"]),
    tests(of: "Exports", ["Subnets"]),
    tests(
      of: "Pipeline",
      [
        "Reports", "Search", "Calibration", "Importance", "LanguageModels", "LinearAlgebra", "Runtime", "Subnets",
        "Exports", "Workbench", "Reformation", "Evaluation", "Studies",
      ]),
    .target(
      name: "ReaderFuzzing",
      dependencies: [
        "Checkpoints", "Tokenizers", "LanguageModels", "LinearAlgebra", "Runtime", "Search", "Subnets", "Calibration",
        "Studies", "Reports", "Pipeline", "CPostgres",
      ], path: "Tests/ReaderFuzzing", swiftSettings: strict),
    tests(of: "ReaderFuzzing", ["LinearAlgebra", "Runtime"]),
    .testTarget(
      name: "EndToEndTests", dependencies: ["nas-search", "Studies", "LinearAlgebra", "Runtime", "TestSupport"],
      exclude: ["Help"],
      swiftSettings: strict),
  ]
)

// `make docs` makes pages of the libraries. Nothing else needs the plugin, or fetches it.
if Context.environment["DOCS"] != nil {
  package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"))
}

// The fuzzers need libFuzzer, which only a build with -sanitize=fuzzer has: `make fuzz` asks for them.
if Context.environment["FUZZ"] != nil {
  package.targets += [
    .target(name: "LibFuzzer", path: "Fuzz/LibFuzzer"),
    .executableTarget(
      name: "fuzz-readers", dependencies: ["ReaderFuzzing", "LibFuzzer"], path: "Fuzz/Run", swiftSettings: strict),
  ]
}

// `make sanitize` looks at what holds C kernels or reads bytes of files, and builds nothing else.
if Context.environment["SANITIZE"] != nil {
  let looked = ["Runtime", "LinearAlgebra", "Checkpoints", "Tokenizers"]
  package.targets.removeAll { target in
    !(looked + looked.map { "\($0)Tests" } + ["CKernels", "CNumerics", "CCrypto", "TestSupport"]).contains(target.name)
  }
  package.products = []
}

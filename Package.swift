// swift-tools-version: 6.2
// Outrider: the targets, ground floor first. A target imports only what stands above it here.
import PackageDescription

/// Swift 6 language mode, strict concurrency, and warnings that stop the build.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
]

/// Most of what a request costs is waiting for code that it runs through once. Release builds put the code that traffic
/// runs together and apart from the rest, by counts that scripts/profile has taken.
#if compiler(>=6.3)
    let profile =
        Context.environment["OUTRIDER_COUNTS"] == nil
        ? ["-Xfrontend", "-ir-profile-use=\(Context.packageDirectory)/scripts/lib/hot.profdata"]
        : ["-Xfrontend", "-ir-profile-generate"]
#else
    /// Compilers before 6.3 take no such counts.
    let profile: [String] = []
#endif

/// For what carries traffic: fast, also where scripts/build has all others small. Every debug build and so every test checks
/// exclusive access; a release build does not pay 2-15 ns for it at each stored property of a class.
let hot: [SwiftSetting] =
    house + [
        .unsafeFlags(
            ["-enforce-exclusivity=unchecked", "-Xfrontend", "-O"] + profile, .when(configuration: .release))
    ]

/// For what runs at start and on an admin request only: small rather than fast, and checked by debug builds like the rest.
let cold: [SwiftSetting] =
    house + [.unsafeFlags(["-Osize", "-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let package = Package(
    name: "outrider",
    products: [
        .executable(name: "outrider", targets: ["outrider"]),
        // For Tests/Fuzz and Benchmarks/Micro, packages of their own.
        .library(name: "Metrics", targets: ["Metrics"]),
        .library(name: "DataPlane", targets: ["DataPlane"]),
        .library(name: "HTTPWire", targets: ["HTTPWire"]),
        .library(name: "Reactor", targets: ["Reactor"]),
        .library(name: "Configuration", targets: ["Configuration"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        // Without its traits SwiftProtobuf needs FoundationEssentials only; with them, Foundation and ICU (40 MB).
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
    ],
    targets: [
        // C libraries: module maps and the few macros Swift cannot import.
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "COpenSSL"),
        .systemLibrary(name: "CCares"),
        .systemLibrary(name: "CNGHTTP2"),
        .systemLibrary(name: "CYAML"),
        .systemLibrary(name: "CZlib"),
        .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2"), .linkedLibrary("stdc++")]),

        // The hot path, bottom up.
        .target(name: "Metrics", swiftSettings: hot),
        .target(name: "Matching", dependencies: ["CRE2"], swiftSettings: hot),
        .target(
            name: "Reactor",
            dependencies: ["CLinux", "COpenSSL", "CCares", "CZlib", "Matching", "Metrics"],
            swiftSettings: hot),
        .target(name: "HTTPWire", dependencies: ["CNGHTTP2", "Reactor"], swiftSettings: hot),
        .target(
            name: "DataPlane",
            dependencies: [
                "HTTPWire", "Matching", "Metrics", "Reactor",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: hot),

        // Configuration and control.
        .target(
            name: "EnvoyAPI",
            dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["Protos"],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                // Nobody mirrors a message or prints a case of an enum: what that needs of each of them can go.
                .unsafeFlags(
                    ["-Osize", "-Xfrontend", "-disable-reflection-metadata"], .when(configuration: .release)),
            ]),
        .target(
            name: "Configuration",
            dependencies: [
                "CYAML", "DataPlane", "EnvoyAPI", "Matching", "Reactor",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: cold),
        .target(
            name: "ControlPlane",
            dependencies: [
                "DataPlane", "EnvoyAPI", "HTTPWire", "Metrics", "Reactor",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: cold),
        .target(name: "Admin", dependencies: ["Configuration", "DataPlane"], swiftSettings: cold),
        .target(
            name: "Sidecar",
            dependencies: [
                "Admin", "Configuration", "ControlPlane", "DataPlane",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: cold),
        .executableTarget(
            name: "outrider",
            dependencies: [
                "Sidecar",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: cold),

        // Tests.
        .target(name: "TestKit", dependencies: ["Reactor", "COpenSSL"], path: "Tests/TestKit", swiftSettings: house),
        .testTarget(name: "MetricsTests", dependencies: ["Metrics"], swiftSettings: house),
        .testTarget(name: "MatchingTests", dependencies: ["Matching"], swiftSettings: house),
        .testTarget(name: "ReactorTests", dependencies: ["CZlib", "Reactor", "TestKit"], swiftSettings: house),
        .testTarget(name: "HTTPWireTests", dependencies: ["HTTPWire"], swiftSettings: house),
        .testTarget(name: "DataPlaneTests", dependencies: ["DataPlane", "TestKit"], swiftSettings: house),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"], swiftSettings: house),
        .testTarget(
            name: "ControlPlaneTests", dependencies: ["ControlPlane", "HTTPWire", "TestKit"], swiftSettings: house),
        .testTarget(name: "AdminTests", dependencies: ["Admin"], swiftSettings: house),
        .testTarget(name: "SidecarTests", dependencies: ["ControlPlane", "Sidecar", "TestKit"], swiftSettings: house),
    ],
    cxxLanguageStandard: .cxx17
)

// swift-tools-version: 6.2
// Outrider: the targets, ground floor first. A target imports only what stands above it here.
import PackageDescription

/// Swift 6 language mode, strict concurrency, and warnings that stop the build.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "outrider",
    products: [
        .executable(name: "outrider", targets: ["outrider"])
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
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl"),
        .systemLibrary(name: "CCares", pkgConfig: "libcares"),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1"),
        .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),

        // The hot path, bottom up.
        .target(name: "Metrics", swiftSettings: house),
        .target(name: "Matching", dependencies: ["CRE2"], swiftSettings: house),
        .target(
            name: "Reactor",
            dependencies: ["CLinux", "COpenSSL", "CCares", "Matching", "Metrics"],
            swiftSettings: house),
        .target(name: "HTTPWire", dependencies: ["Reactor"], swiftSettings: house),
        .target(
            name: "DataPlane",
            dependencies: [
                "HTTPWire", "Matching", "Metrics", "Reactor",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: house),

        // Configuration and control.
        .target(
            name: "EnvoyAPI",
            dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["Protos"],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        .target(
            name: "Configuration",
            dependencies: [
                "CYAML", "DataPlane", "EnvoyAPI", "Matching", "Reactor",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: house),
        .target(name: "Admin", dependencies: ["Configuration", "DataPlane"], swiftSettings: house),
        .target(
            name: "Sidecar",
            dependencies: [
                "Admin", "Configuration", "DataPlane",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: house),
        .executableTarget(
            name: "outrider",
            dependencies: [
                "Sidecar",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: house),

        // Tests.
        .target(name: "TestKit", dependencies: ["Reactor", "COpenSSL"], path: "Tests/TestKit", swiftSettings: house),
        .testTarget(name: "MetricsTests", dependencies: ["Metrics"], swiftSettings: house),
        .testTarget(name: "MatchingTests", dependencies: ["Matching"], swiftSettings: house),
        .testTarget(name: "ReactorTests", dependencies: ["Reactor", "TestKit"], swiftSettings: house),
        .testTarget(name: "HTTPWireTests", dependencies: ["HTTPWire"], swiftSettings: house),
        .testTarget(name: "DataPlaneTests", dependencies: ["DataPlane", "TestKit"], swiftSettings: house),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"], swiftSettings: house),
        .testTarget(name: "AdminTests", dependencies: ["Admin"], swiftSettings: house),
        .testTarget(name: "SidecarTests", dependencies: ["Sidecar", "TestKit"], swiftSettings: house),
    ],
    cxxLanguageStandard: .cxx17
)

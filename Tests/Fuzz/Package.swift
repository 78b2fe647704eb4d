// swift-tools-version: 6.2
// The fuzzers: a package of their own, so that nothing of them gets into the product. Run them with scripts/fuzz.
import PackageDescription

let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "outrider", path: "../..")],
    targets: [
        // The entry into libFuzzer.
        .target(name: "CFuzzer"),
        .executableTarget(
            name: "FuzzHTTP1",
            dependencies: [
                "CFuzzer",
                .product(name: "HTTPWire", package: "outrider"),
                .product(name: "Reactor", package: "outrider"),
            ]),
        .executableTarget(
            name: "FuzzHTTP2",
            dependencies: [
                "CFuzzer",
                .product(name: "HTTPWire", package: "outrider"),
                .product(name: "Reactor", package: "outrider"),
            ]),
        .executableTarget(
            name: "FuzzConfiguration",
            dependencies: ["CFuzzer", .product(name: "Configuration", package: "outrider")]),
        .executableTarget(
            name: "FuzzResources",
            dependencies: ["CFuzzer", .product(name: "Configuration", package: "outrider")]),
        .executableTarget(
            name: "FuzzParsers",
            dependencies: [
                "CFuzzer",
                .product(name: "DataPlane", package: "outrider"),
                .product(name: "HTTPWire", package: "outrider"),
                .product(name: "Reactor", package: "outrider"),
            ]),
    ]
)

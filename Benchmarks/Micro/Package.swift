// swift-tools-version: 6.2
// Microbenchmarks: a package of their own, so that nothing of them gets into the product. Run them with
// Benchmarks/micro.
import PackageDescription

let package = Package(
    name: "micro",
    platforms: [.macOS(.v13)],
    dependencies: [
        .package(name: "outrider", path: "../.."),
        // Without its traits it needs no allocator of its own; allocations are counted by CountedMalloc.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .target(name: "CountedMalloc"),
        .executableTarget(
            name: "Hot",
            dependencies: [
                "CountedMalloc",
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "DataPlane", package: "outrider"),
                .product(name: "HTTPWire", package: "outrider"),
                .product(name: "Metrics", package: "outrider"),
                .product(name: "Reactor", package: "outrider"),
            ],
            path: "Benchmarks/Hot",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ]
)

// How each benchmark is measured: CPU time, and blocks taken from the heap.
import Benchmark
import CountedMalloc
import Glibc

// The tool finds thresholds of custom metrics by their names and these defaults alone.
private let time = BenchmarkMetric.custom("cpu-ns")
private let allocations = BenchmarkMetric.custom("allocations")

/// What is compared, and by how many percent or blocks it may differ. Shared machines are up to several times slower at
/// some moments; the count must hold, and is all there is where the machine's speed says nothing.
private func thresholds() -> [BenchmarkMetric: BenchmarkThresholds] {
    let count = BenchmarkThresholds(absolute: [.p90: 0])
    if getenv("MICRO_COUNTS_ONLY") != nil { return [allocations: count] }
    return [time: BenchmarkThresholds(relative: [.p90: 300]), allocations: count]
}

/// A benchmark of one step of the hot path. `body` does the step once; a sample is a thousand steps, and
/// figures are shown for one. `name` is part of a file name.
func measure(_ name: String, _ body: @escaping () -> Void) {
    let thresholds = thresholds()
    let configuration = Benchmark.Configuration(
        metrics: Array(thresholds.keys), warmupIterations: 5, scalingFactor: .kilo, maxDuration: .milliseconds(500),
        maxIterations: 2000, thresholds: thresholds)
    Benchmark(name, configuration: configuration) { benchmark in
        let steps = benchmark.scaledIterations
        let taken = counted_allocations()
        let began = threadTime()
        for _ in steps { body() }
        benchmark.measurement(time, threadTime() - began)
        benchmark.measurement(allocations, Int(counted_allocations() &- taken))
    }
}

/// Nanoseconds of CPU that this thread has used: the process's own clock has ticks of 10 ms.
private func threadTime() -> Int {
    var now = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec
}

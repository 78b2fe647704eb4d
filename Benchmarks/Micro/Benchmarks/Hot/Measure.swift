// How each benchmark is measured: CPU time, and blocks taken from the heap.
import Benchmark
import CountedMalloc
import Glibc

// The tool finds thresholds of custom metrics by their names and these defaults alone.
private let time = BenchmarkMetric.custom("cpu-ns")
private let allocations = BenchmarkMetric.custom("allocations")

/// A benchmark of one step of the hot path. `body` does the step once; a sample is a thousand steps, and
/// figures are shown for one. `name` is part of a file name.
func measure(_ name: String, _ body: @escaping () -> Void) {
    let configuration = Benchmark.Configuration(
        metrics: [time, allocations], warmupIterations: 5, scalingFactor: .kilo, maxDuration: .milliseconds(500),
        maxIterations: 2000,
        thresholds: [
            // Shared machines are up to several times slower at some moments; the count must hold.
            time: BenchmarkThresholds(relative: [.p90: 300]), allocations: BenchmarkThresholds(absolute: [.p90: 0]),
        ])
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

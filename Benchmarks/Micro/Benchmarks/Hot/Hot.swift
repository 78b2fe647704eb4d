// The steps of the hot path, one by one.
import Benchmark

nonisolated(unsafe) let benchmarks = {
    headBenchmarks()
    http2Benchmarks()
    routingBenchmarks()
    balancerBenchmarks()
    loopBenchmarks()
}

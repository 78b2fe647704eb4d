// Timers, statistics and access-log lines.
import Benchmark
import DataPlane
import HTTPWire
import Metrics
import Reactor

private final class Idle: TimerTarget {
    func timerFired(_ timer: LoopTimer) {}
}

func loopBenchmarks() {
    guard let loop = try? EventLoop() else { fatalError("no event loop") }
    let target = Idle()
    // Others are armed, as in a proxy at work.
    let others = (1...1000).map { LoopTimer(loop: loop, target: target, tag: $0) }
    for timer in others { timer.arm(after: .milliseconds(Int64(timer.tag) * 37)) }
    let timer = LoopTimer(loop: loop, target: target)
    measure("timer-arm-and-disarm") {
        timer.arm(after: .seconds(15))
        timer.disarm()
    }

    let cells = StatStore().makeCells()
    let counter = cells.counter("cluster.app.upstream_rq_total")
    measure("counter-increment") { counter.increment() }
    let histogram = cells.histogram("cluster.app.upstream_rq_time", unit: .milliseconds)
    measure("histogram-record") { histogram.record(17) }
    blackHole(others)

    let info = StreamInfo()
    let request = HeaderMap()
    _ = request.setMethod(ByteView("GET"))
    request.setPath(ByteView("/api/v1/items/4711"))
    request.setAuthority(ByteView("shop.example.com"))
    request.set(.userAgent, "benchmark")
    let format =
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
        + "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \"%REQ(USER-AGENT)%\" \"%REQ(:AUTHORITY)%\"\n"
    guard let formatter = try? Formatter(format) else { fatalError("no such format") }
    var line = ByteArena()
    measure("access-log-line") {
        line.removeAll()
        formatter.append(
            to: &line, FormatContext(info, request: request, now: loop.now, wallNow: loop.wallNow))
    }
}

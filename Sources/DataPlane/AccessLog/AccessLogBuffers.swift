// Where one loop gathers its lines before a file gets them.
import Metrics
import Reactor

/// The line buffers of one loop, one a file. Loop thread only.
public final class AccessLogBuffers: TimerTarget {
    let sinks: AccessLogSinks
    private let stats: AccessLogFileStats
    private var buffers: [AccessLogBuffer] = []
    /// How often buffers are looked at while they hold something.
    private let tick: TimeAmount
    /// Ticks of the flush interval.
    private let ticks: Int
    private var elapsedTicks = 0
    private var timer: LoopTimer?

    public init(loop: EventLoop, sinks: AccessLogSinks, cells: StatCells) {
        self.sinks = sinks
        stats = AccessLogFileStats(cells)
        let interval = sinks.options.flushInterval
        tick = min(max(interval, .milliseconds(1)), .seconds(1))
        ticks = Int(clamping: interval.nanoseconds / max(1, tick.nanoseconds))
        timer = LoopTimer(loop: loop, target: self)
    }

    /// The buffer of a file; all logs of one loop that write to one file share it.
    func buffer(for spec: AccessLogSpec.Sink) throws(SystemError) -> AccessLogBuffer {
        let sink = try sinks.sink(for: spec)
        if let known = buffers.first(where: { $0.sink === sink }) { return known }
        let fresh = AccessLogBuffer(sink, flushSize: sinks.options.flushSize, stats: stats, owner: self)
        buffers.append(fresh)
        return fresh
    }

    /// Hands all lines over now: when the loop ends.
    public func flush() {
        for buffer in buffers { buffer.handOver() }
    }

    func bufferFilled() {
        guard let timer, !timer.isArmed else { return }
        elapsedTicks = 0
        timer.arm(after: tick)
    }

    public func timerFired(_ timer: LoopTimer) {
        elapsedTicks += 1
        let isDue = elapsedTicks >= ticks
        if isDue { elapsedTicks = 0 }
        var isHolding = false
        for buffer in buffers where buffer.tick(isDue: isDue) { isHolding = true }
        if isHolding { timer.arm(after: tick) }
    }
}

/// Lines of one loop for one file.
final class AccessLogBuffer {
    let sink: AccessLogSink
    private let flushSize: Int
    private let stats: AccessLogFileStats
    private unowned let owner: AccessLogBuffers
    @exclusivity(unchecked) private var lines = ByteArena()
    /// As of the last tick.
    private var lastCount = 0

    init(_ sink: AccessLogSink, flushSize: Int, stats: AccessLogFileStats, owner: AccessLogBuffers) {
        self.sink = sink
        self.flushSize = max(1, flushSize)
        self.stats = stats
        self.owner = owner
    }

    /// Appends a line; it gets a newline unless it ends in one.
    func add(_ format: LineFormat, _ context: borrowing FormatContext) {
        let start = begin()
        format.append(to: &lines, context)
        end(start)
    }

    /// The same with what `write` appends.
    func add(_ write: (inout ByteArena) -> Void) {
        let start = begin()
        write(&lines)
        end(start)
    }

    private func begin() -> Int {
        if lines.count == 0 { owner.bufferFilled() }
        return lines.count
    }

    private func end(_ start: Int) {
        if lines.count == start { return }
        if lines.view(lines.count - 1, 1)[0] != UInt8(ascii: "\n") { lines.append(byte: UInt8(ascii: "\n")) }
        let count = lines.count - start
        if lines.count >= flushSize && !offerAll(before: start, adding: count) { return }
        stats.lines.increment()
        stats.buffered.add(Int64(count))
    }

    /// Offers everything. False when the file is so far behind that the newest line had to go.
    private func offerAll(before start: Int, adding count: Int) -> Bool {
        if sink.offer(lines.view) {
            empty()
            return true
        }
        if lines.count <= flushSize * 4 { return true }
        lines.truncate(to: start)
        stats.dropped.increment()
        return false
    }

    /// Hands over if the time has come or nothing was added since the last tick. True while lines are held.
    func tick(isDue: Bool) -> Bool {
        if lines.count > 0, isDue || lines.count == lastCount {
            if handOver() { stats.flushedByTimer.increment() }
        }
        lastCount = lines.count
        return lines.count > 0
    }

    @discardableResult
    func handOver() -> Bool {
        guard lines.count > 0, sink.offer(lines.view) else { return false }
        empty()
        return true
    }

    private func empty() {
        // A buffer that one long line blew up is given back.
        lines.removeAll(keepingCapacity: lines.capacity <= flushSize * 8)
        lastCount = 0
    }
}

// The files that access logs go to: opened once, written by one thread that may wait for the disk.
import Metrics
import Reactor
import Synchronization

/// How lines are gathered and how much may wait.
public struct AccessLogOptions: Sendable, Equatable {
    /// `--file-flush-interval-msec`: the longest that a busy log keeps lines back, 10 s. A log without new lines is
    /// written after a second at most.
    public var flushInterval = TimeAmount.seconds(10)
    /// `--file-flush-min-size-kb`: bytes that are written without waiting, 64 KiB.
    public var flushSize = 64 << 10
    /// Bytes of one file that may wait for the disk. Beyond, each worker keeps four times `flushSize`, then it drops
    /// lines.
    public var pendingLimit = 4 << 20

    public init() {}
}

/// All access log files of the process. Any thread.
///
/// Workers hand batches over by a mailbox; the writing thread alone touches files, so a slow disk stops nobody else.
public final class AccessLogSinks: Sendable {
    public let options: AccessLogOptions
    private let mailbox: Mailbox
    private let stats: AccessLogFileStats
    private let sinks = Mutex<[AppendFile.Target: AccessLogSink]>([:])
    private let thread = Mutex<LoopThread?>(nil)
    private let isDone = Atomic<Bool>(false)

    /// - Parameters:
    ///   - mailbox: of the loop that writes; that loop may block.
    ///   - cells: of the thread that runs it.
    public init(options: AccessLogOptions, writer mailbox: Mailbox, cells: StatCells) {
        self.options = options
        self.mailbox = mailbox
        stats = AccessLogFileStats(cells)
    }

    /// Starts a thread for the files.
    public static func start(
        options: AccessLogOptions, stats store: StatStore
    ) throws(SystemError) -> AccessLogSinks {
        // Safe: after this function only the new thread touches the loop, but for its mailbox.
        nonisolated(unsafe) let loop = try EventLoop()
        let sinks = AccessLogSinks(options: options, writer: loop.mailbox, cells: store.makeCells())
        let thread = try LoopThread(name: "access-log") {
            loop.run()
            sinks.isDone.store(true, ordering: .releasing)
        }
        sinks.thread.withLock { $0 = thread }
        return sinks
    }

    /// The file for a log, opened on first use. Opens on the calling thread: for set-up.
    public func sink(for spec: AccessLogSpec.Sink) throws(SystemError) -> AccessLogSink {
        let target: AppendFile.Target =
            switch spec {
            case .file("/dev/stdout"), .stdout: .standardOutput
            case .file("/dev/stderr"), .stderr: .standardError
            case .file(let path): .path(path)
            }
        if let known = sinks.withLock({ $0[target] }) { return known }
        let fresh = AccessLogSink(
            try AppendFile(target), limit: options.pendingLimit, mailbox: mailbox, stats: stats)
        return sinks.withLock {
            if let known = $0[target] { return known }
            $0[target] = fresh
            return fresh
        }
    }

    /// Opens every path anew, behind the batches that were handed over before (SIGUSR1, `/reopen_logs`).
    public func reopen() {
        for sink in sinks.withLock({ Array($0.values) }) { sink.reopen() }
    }

    /// Writes what was handed over and ends the thread. False when the disk took longer than `limit`.
    ///
    /// Call at the end of the process, after all workers have flushed; blocks.
    public func finish(within limit: TimeAmount = .seconds(2)) -> Bool {
        guard let thread = thread.withLock({ $0.take() }) else { return true }
        mailbox.stopLoop()
        let clock = SystemClock()
        let deadline = clock.monotonicNow() + limit
        while !isDone.load(ordering: .acquiring) {
            if clock.monotonicNow() >= deadline { return false }
            Pause.blocking(for: .milliseconds(1))
        }
        thread.join()
        return true
    }
}

/// One file of access logs. Any thread may offer batches; the writing thread writes them in order.
public final class AccessLogSink: Sendable {
    private let limit: Int
    private let mailbox: Mailbox
    private let stats: AccessLogFileStats
    private let pending = Atomic<Int>(0)
    // Safe: used by bodies on the writing thread alone.
    private nonisolated(unsafe) let file: AppendFile

    init(_ file: AppendFile, limit: Int, mailbox: Mailbox, stats: AccessLogFileStats) {
        self.file = file
        self.limit = limit
        self.mailbox = mailbox
        self.stats = stats
    }

    /// Hands a batch over; false when too much is waiting already.
    func offer(_ batch: ByteView) -> Bool {
        let count = batch.count
        // A batch is taken whole, so that one that is longer than the limit is not stuck for ever.
        guard pending.add(count, ordering: .relaxed).oldValue < limit else {
            pending.subtract(count, ordering: .relaxed)
            return false
        }
        let bytes = batch.array
        mailbox.post {
            let failure = bytes.withUnsafeBytes { self.file.write(ByteView($0)) }
            self.pending.subtract(count, ordering: .relaxed)
            self.stats.buffered.add(-Int64(count))
            if failure == nil { self.stats.completed.increment() } else { self.stats.failed.increment() }
        }
        return true
    }

    func reopen() {
        mailbox.post {
            do throws(SystemError) { try self.file.reopen() } catch { self.stats.reopenFailed.increment() }
        }
    }
}

/// Envoy's `filesystem.` stats, as one thread writes them.
struct AccessLogFileStats: Sendable {
    /// Lines put into a buffer.
    let lines: Counter
    /// Lines that were given up because the disk is too slow: Outrider's own.
    let dropped: Counter
    let flushedByTimer: Counter
    /// Writes of a batch.
    let completed: Counter
    let failed: Counter
    let reopenFailed: Counter
    /// Bytes that are buffered anywhere.
    let buffered: Gauge

    init(_ cells: StatCells) {
        lines = cells.counter("filesystem.write_buffered")
        dropped = cells.counter("filesystem.write_dropped")
        flushedByTimer = cells.counter("filesystem.flushed_by_timer")
        completed = cells.counter("filesystem.write_completed")
        failed = cells.counter("filesystem.write_failed")
        reopenFailed = cells.counter("filesystem.reopen_failed")
        buffered = cells.gauge("filesystem.write_total_buffered")
    }
}

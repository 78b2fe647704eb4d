// Access logs: filters, batching, slow disks, reopening.
import Glibc
import Matching
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

/// Files of one test, a loop that logs and a loop that writes, both turned by the test.
private final class LogFixture {
    let directory: String
    let clock = TestClock()
    let worker: EventLoop
    let writer: EventLoop
    let stats = StatStore()
    let sinks: AccessLogSinks
    let buffers: AccessLogBuffers

    init(_ change: (inout AccessLogOptions) -> Void = { _ in }) throws {
        var template = Array("/tmp/outrider-log-XXXXXX".utf8CString)
        let made = try #require(mkdtemp(&template))
        directory = String(cString: made)
        worker = try EventLoop(clock: clock)
        writer = try EventLoop()
        var options = AccessLogOptions()
        change(&options)
        sinks = AccessLogSinks(options: options, writer: writer.mailbox, cells: stats.makeCells())
        buffers = AccessLogBuffers(loop: worker, sinks: sinks, cells: stats.makeCells())
    }

    deinit {
        unlink(directory + "/log")
        unlink(directory + "/old")
        rmdir(directory)
    }

    var path: String { directory + "/log" }

    func logger(_ format: AccessLogFormatSpec = .text("%REQ(:PATH)%"), filter: AccessLogFilterSpec? = nil) throws
        -> AccessLogger
    {
        var spec = AccessLogSpec(sink: .file(path: path), format: format)
        spec.filter = filter
        return try AccessLogger(spec, buffers: buffers)
    }

    func tick(_ seconds: Int64 = 1) {
        for _ in 0..<seconds {
            clock.advance(by: .seconds(1))
            worker.turn(maxWait: .zero)
        }
        writer.turnWhileBusy()
    }

    func contents(_ name: String = "log") throws -> String {
        String(decoding: try FileContents.read(directory + "/" + name), as: UTF8.self)
    }

    func value(_ name: String) -> Int64 {
        Int64(bitPattern: stats.snapshot().value("filesystem." + name))
    }
}

@Suite struct AccessLogTests {
    @Test func linesEndInOneNewline() throws {
        let log = try LogFixture()
        try log.logger(.text("a %REQ(:PATH)%")).log(StreamFixture("/1").context)
        try log.logger(.text("b %REQ(:PATH)%\n")).log(StreamFixture("/2").context)
        try log.logger(.json(.object([("p", .template("%REQ(:PATH)%"))]), omitEmpty: false, sortKeys: false))
            .log(StreamFixture("/3").context)
        try log.logger(.text("")).log(StreamFixture("/4").context)
        log.buffers.flush()
        log.writer.turnWhileBusy()
        #expect(try log.contents() == "a /1\nb /2\n{\"p\":\"/3\"}\n")
        #expect(log.value("write_buffered") == 3)
        #expect(log.value("write_completed") == 1)
        #expect(log.value("write_total_buffered") == 0)
    }

    @Test func anIdleLogIsWrittenAfterASecond() throws {
        let log = try LogFixture()
        let logger = try log.logger()
        logger.log(StreamFixture("/1").context)
        log.writer.turnWhileBusy()
        #expect(try log.contents() == "")
        // Added to since the last look: still busy after the first second, idle after the second.
        log.tick()
        log.tick()
        #expect(try log.contents() == "/1\n")
        #expect(log.value("flushed_by_timer") == 1)
        logger.log(StreamFixture("/2").context)
        log.tick(3)
        #expect(try log.contents() == "/1\n/2\n")
    }

    @Test func aBusyLogIsWrittenAtTheInterval() throws {
        let log = try LogFixture { $0.flushInterval = .seconds(4) }
        let logger = try log.logger(.text("x"))
        for second in 1...7 {
            logger.log(StreamFixture().context)
            log.tick()
            #expect(try log.contents() == (second < 4 ? "" : "x\nx\nx\nx\n"))
        }
        logger.log(StreamFixture().context)
        log.tick()
        #expect(try log.contents().count == 16)
    }

    @Test func aFullBufferIsWrittenAtOnce() throws {
        let log = try LogFixture { $0.flushSize = 10 }
        let logger = try log.logger()
        logger.log(StreamFixture("/1234").context)
        log.writer.turnWhileBusy()
        #expect(try log.contents() == "")
        logger.log(StreamFixture("/5678").context)
        log.writer.turnWhileBusy()
        #expect(try log.contents() == "/1234\n/5678\n")
        #expect(log.value("flushed_by_timer") == 0)
    }

    @Test func aSlowDiskCostsLinesNotMemory() throws {
        let log = try LogFixture {
            $0.flushSize = 100
            $0.pendingLimit = 250
        }
        let logger = try log.logger()
        // The writer does not run: 3 batches of 102 bytes may wait, then the worker keeps 400 bytes.
        for number in 100..<1_100 { logger.log(StreamFixture("/\(number)").context) }
        let dropped = log.value("write_dropped")
        #expect(dropped > 800)
        #expect(log.value("write_buffered") + dropped == 1_000)
        #expect(log.value("write_total_buffered") <= 3 * 102 + 400)
        log.writer.turnWhileBusy()
        log.buffers.flush()
        log.writer.turnWhileBusy()
        #expect(Int64(try log.contents().split(separator: "\n").count) == 1_000 - dropped)
        #expect(log.value("write_total_buffered") == 0)
        logger.log(StreamFixture("/again").context)
        log.buffers.flush()
        log.writer.turnWhileBusy()
        #expect(try log.contents().hasSuffix("/again\n"))
    }

    @Test func reopeningFollowsAMovedFile() throws {
        let log = try LogFixture()
        let logger = try log.logger()
        logger.log(StreamFixture("/1").context)
        log.buffers.flush()
        log.writer.turnWhileBusy()
        #expect(rename(log.path, log.directory + "/old") == 0)
        logger.log(StreamFixture("/2").context)
        log.buffers.flush()
        log.sinks.reopen()
        log.writer.turnWhileBusy()
        logger.log(StreamFixture("/3").context)
        log.buffers.flush()
        log.writer.turnWhileBusy()
        #expect(try log.contents("old") == "/1\n/2\n")
        #expect(try log.contents() == "/3\n")
    }

    @Test func failuresAreCounted() throws {
        let log = try LogFixture()
        var spec = AccessLogSpec(sink: .file(path: "/dev/full"), format: .text("x"))
        try AccessLogger(spec, buffers: log.buffers).log(StreamFixture().context)
        log.buffers.flush()
        log.writer.turnWhileBusy()
        #expect(log.value("write_failed") == 1)
        #expect(log.value("write_total_buffered") == 0)
        spec.sink = .file(path: log.directory + "/none/log")
        do throws(AccessLogError) {
            _ = try AccessLogger(spec, buffers: log.buffers)
            Issue.record("there is no such directory")
        } catch {
            #expect(error == .file(SystemError("open", code: ENOENT, subject: log.directory + "/none/log")))
        }
        spec.format = .text("%NOPE%")
        do throws(AccessLogError) {
            _ = try AccessLogger(spec, buffers: log.buffers)
            Issue.record("there is no such operator")
        } catch {
            guard case .format = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func twoLogsShareAFile() throws {
        let log = try LogFixture()
        let one = try log.sinks.sink(for: .file(path: log.path))
        #expect(try log.sinks.sink(for: .file(path: log.path)) === one)
        #expect(try log.sinks.sink(for: .stdout) === log.sinks.sink(for: .file(path: "/dev/stdout")))
        #expect(try log.buffers.buffer(for: .file(path: log.path)) === log.buffers.buffer(for: .file(path: log.path)))
    }

    @Test func theThreadWritesAllAtTheEnd() throws {
        let fixture = try LogFixture()
        let stats = StatStore()
        let sinks = try AccessLogSinks.start(options: AccessLogOptions(), stats: stats)
        let buffers = AccessLogBuffers(loop: fixture.worker, sinks: sinks, cells: stats.makeCells())
        let spec = AccessLogSpec(sink: .file(path: fixture.path), format: .text("%REQ(:PATH)%"))
        let logger = try AccessLogger(spec, buffers: buffers)
        for number in 0..<1_000 { logger.log(StreamFixture("/\(number)").context) }
        buffers.flush()
        #expect(sinks.finish(within: .seconds(20)))
        #expect(try fixture.contents() == (0..<1_000).map { "/\($0)\n" }.joined())
    }
}

@Suite struct AccessLogFilterTests {
    private func admits(_ spec: AccessLogFilterSpec, _ stream: StreamFixture) -> Bool {
        AccessLogFilter(spec, runtime: RuntimeSpec()).admits(stream.context)
    }

    @Test func comparisons() {
        let stream = StreamFixture()
        stream.info.responseCode = 404
        stream.info.marks.end = MonotonicTime(ns: 25_999_999)
        func compare(_ op: AccessLogFilterSpec.Comparison.Operator, _ value: UInt32) -> AccessLogFilterSpec.Comparison {
            AccessLogFilterSpec.Comparison(op: op, value: value)
        }
        #expect(admits(.statusCode(compare(.greaterOrEqual, 404)), stream))
        #expect(!admits(.statusCode(compare(.greaterOrEqual, 405)), stream))
        #expect(admits(.statusCode(compare(.equal, 404)), stream))
        #expect(admits(.statusCode(compare(.lessOrEqual, 404)), stream))
        #expect(!admits(.statusCode(compare(.notEqual, 404)), stream))
        #expect(admits(.duration(compare(.equal, 25)), stream))
        #expect(!admits(.duration(compare(.greaterOrEqual, 26)), stream))
    }

    @Test func flagsHeadersAndHealthChecks() {
        let stream = StreamFixture(headers: [("x", "1")])
        #expect(!admits(.responseFlags([]), stream))
        stream.info.flags = [.upstreamRemoteReset, .upstreamRetryLimitExceeded]
        #expect(admits(.responseFlags([]), stream))
        #expect(admits(.responseFlags(["UH", "URX"]), stream))
        #expect(!admits(.responseFlags(["UH", "NR"]), stream))
        #expect(admits(.header(HeaderMatchSpec(name: "x", rule: .present(true))), stream))
        #expect(admits(.notHealthCheck, stream))
        stream.info.isHealthCheck = true
        #expect(!admits(.notHealthCheck, stream))
        let tcp = FormatContext(stream.info, request: nil, now: .zero, wallNow: WallTime(unixNanoseconds: 0))
        let absent = AccessLogFilterSpec.header(HeaderMatchSpec(name: "x", rule: .present(false)))
        #expect(AccessLogFilter(absent, runtime: RuntimeSpec()).admits(tcp))
    }

    @Test func combinations() {
        let stream = StreamFixture()
        let yes = AccessLogFilterSpec.notHealthCheck
        let no = AccessLogFilterSpec.responseFlags([])
        #expect(admits(.and([yes, .or([no, yes])]), stream))
        #expect(!admits(.and([yes, no]), stream))
        #expect(!admits(.or([no, no]), stream))
    }

    @Test func samplesFollowTheRequestID() {
        let half = AccessLogFilterSpec.runtime(
            RuntimeFraction(Fraction(numerator: 50, denominator: 100)), independent: false)
        // 0x00000031 is 49, 0x00000032 is 50.
        #expect(admits(half, StreamFixture(headers: [("x-request-id", "00000031-x")])))
        #expect(!admits(half, StreamFixture(headers: [("x-request-id", "00000032-x")])))
        let never = RuntimeFraction(Fraction(numerator: 0, denominator: 100))
        #expect(!admits(.runtime(never, independent: true), StreamFixture(headers: [("x-request-id", "00000000")])))
        #expect(admits(.runtime(RuntimeFraction(.always), independent: false), StreamFixture()))
    }
}

// The admin port over real sockets: methods, bodies, slow readers, logs.
import DataPlane
import Glibc
import HTTPWire
import Metrics
import Reactor
import TestKit
import Testing

@testable import Admin

/// An admin server and its clients on one loop.
private final class Port {
    let loop: EventLoop
    let backend: FakeBackend
    let server: AdminServer

    /// `smallBuffers`: the kernel holds a few KiB of a connection only.
    init(
        _ address: SocketAddress = .v4(.loopback, port: 0), unixMode: UInt32? = nil, log: String? = nil,
        smallBuffers: Bool = false
    ) throws {
        loop = try EventLoop()
        backend = try FakeBackend(loop: loop)
        var listen = ListenAddress(address)
        listen.unixMode = unixMode
        if smallBuffers { listen.socketOptions.raw = [Port.small(SO_SNDBUF)] }
        var spec = AdminSpec(listen: listen)
        if let log {
            spec.accessLogs = [
                AccessLogSpec(
                    sink: .file(path: log),
                    format: .text("%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %BYTES_SENT%"))
            ]
        }
        // The test's own loop writes the lines.
        let sinks = AccessLogSinks(options: AccessLogOptions(), writer: loop.mailbox, cells: backend.cells)
        server = try AdminServer(
            spec, loop: loop, backend: backend, cells: backend.cells, accessLogs: sinks)
    }

    deinit { server.close() }

    func client(reads: Bool = true) -> Client { Client(self, reads: reads) }

    /// Sends one request and returns everything that comes until the end of the connection.
    func exchange(_ request: String) -> String {
        let client = client()
        client.send(request)
        loop.turn { client.side.sawEnd || client.side.closed != nil }
        client.connection.close()
        return client.side.text
    }

    func counter(_ name: String) -> UInt64 { backend.cells.counter(name).value }
    func gauge(_ name: String) -> Int64 { backend.cells.gauge(name).value }

    /// Makes `/stats` a page of 4 MB.
    func fillStats() {
        let padding = String(repeating: "x", count: 200)
        for number in 0..<20_000 { _ = backend.cells.counter("stat.\(number).\(padding)") }
    }

    static func small(_ option: Int32) -> RawSocketOption {
        RawSocketOption(level: SOL_SOCKET, name: option, value: .int(16 << 10))
    }
}

private final class Client {
    let side = RecordingDelegate()
    let connection: Connection

    init(_ port: Port, reads: Bool) {
        side.reads = reads
        var options = SocketOptions()
        if !reads { options.raw = [Port.small(SO_RCVBUF)] }
        connection = Connection.connect(to: port.server.address, loop: port.loop, options: options, delegate: side)
        port.loop.turn { [side] in side.established == 1 }
    }

    func send(_ text: String) {
        connection.output.append(text)
        connection.flush()
    }
}

extension EventLoop {
    fileprivate func turn(_ condition: () -> Bool) {
        let happened = turn(until: condition)
        #expect(happened)
    }
}

@Suite struct AdminServerTests {
    private let close = "Host: a\r\nConnection: close\r\n\r\n"

    @Test func answersWithEnvoysFields() throws {
        let port = try Port()
        let answer = port.exchange("GET /ready HTTP/1.1\r\n" + close)
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=UTF-8\r\n"))
        for field in ["cache-control: no-cache, max-age=0", "x-content-type-options: nosniff", "server: envoy"] {
            #expect(answer.contains("\r\n\(field)\r\n"))
        }
        #expect(answer.hasSuffix("\r\n\r\nLIVE\n"))
    }

    @Test func keepsConnectionsAndCountsThem() throws {
        let port = try Port()
        let client = port.client()
        client.send(
            ["GET /ready", "HEAD /ready", "GET //./ready"].map { $0 + " HTTP/1.1\r\nHost: a\r\n\r\n" }.joined()
        )
        port.loop.turn { client.side.text.split(separator: "LIVE\n", omittingEmptySubsequences: false).count == 3 }
        #expect(client.side.text.split(separator: "HTTP/1.1 200 OK").count == 3)
        #expect(client.side.text.split(separator: "content-length: 5").count == 4)
        #expect(port.counter("http.admin.downstream_rq_2xx") == 3)
        #expect(port.counter("listener.admin.http.admin.downstream_rq_2xx") == 3)
        #expect(port.gauge("listener.admin.main_thread.downstream_cx_active") == 1)
        client.connection.close()
        port.loop.turn { port.gauge("listener.admin.downstream_cx_active") == 0 }
        #expect(port.counter("listener.admin.downstream_cx_total") == 1)
        #expect(port.counter("listener.admin.downstream_cx_destroy") == 1)
    }

    @Test func takesWhatSimpleProbesSend() throws {
        let port = try Port()
        #expect(port.exchange("GET /ready HTTP/1.0\r\n\r\n").hasSuffix("LIVE\n"))
        #expect(port.exchange("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
        #expect(
            port.exchange("GET /ready HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
                .hasSuffix("LIVE\n"))
        #expect(port.exchange("OPTIONS * HTTP/1.1\r\n" + close).hasPrefix("HTTP/1.1 404 "))
        #expect(
            port.exchange("GET /quitquitquit HTTP/1.1\r\n" + close).hasPrefix("HTTP/1.1 405 Method Not Allowed\r\n"))
        #expect(port.exchange("HEAD /quitquitquit HTTP/1.1\r\n" + close).hasSuffix("\r\n\r\n"))
        #expect(port.backend.calls.isEmpty)
    }

    @Test func readsFormsAndBoundsBodies() throws {
        let port = try Port()
        let form = "content-type: application/x-www-form-urlencoded\r\n"
        let set = port.exchange("POST /logging HTTP/1.1\r\n\(form)content-length: 10\r\n\(close)http=error")
        #expect(set.hasPrefix("HTTP/1.1 200 "))
        let chunked = "POST /logging HTTP/1.1\r\n\(form)transfer-encoding: chunked\r\n\(close)"
        #expect(port.exchange(chunked + "5\r\nhttp=\r\n3\r\noff\r\n0\r\nx: y\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
        // What is no form is read and thrown away.
        let plain = port.exchange("POST /logging HTTP/1.1\r\ncontent-length: 10\r\n\(close)http=trace")
        #expect(plain.contains("  http: off\n"))
        #expect(port.backend.calls == ["http=error", "http=off"])
        let long = String(repeating: "x", count: AdminHandler.maxBody + 1)
        let refused = port.exchange(
            "POST /reopen_logs HTTP/1.1\r\ncontent-length: \(long.utf8.count)\r\n\(close)\(long)")
        #expect(refused.hasPrefix("HTTP/1.1 413 "))
        #expect(refused.hasSuffix("the request body is longer than 65536 bytes"))
        #expect(port.backend.calls.count == 2)
    }

    @Test func aSlowReaderGetsAllOfALongPageInPieces() throws {
        let port = try Port(smallBuffers: true)
        port.fillStats()
        let client = port.client(reads: false)
        client.send("GET /stats HTTP/1.1\r\n" + close)
        port.loop.turn { port.counter("http.admin.downstream_rq_2xx") == 1 }
        port.loop.turnWhileBusy()
        // The rest of the page is not made yet, and the connection holds no more than its watermark and one piece.
        #expect(client.side.received.isEmpty)
        #expect(port.gauge("http.admin.downstream_rq_active") == 1)
        let slabs = port.loop.slabs.slabsInUse * 16 << 10
        #expect(slabs <= AdminServer.bufferLimit + 128 << 10, "\(slabs)")
        client.side.reads = true
        client.side.readAll(client.connection)
        port.loop.turn { client.side.sawEnd }
        #expect(client.side.text.contains("\r\ntransfer-encoding: chunked\r\n"))
        let lines = chunks(of: client.side.text).split(separator: "\n")
        #expect(lines.count { $0.hasPrefix("stat.") } == 20_000)
        #expect(port.gauge("http.admin.downstream_rq_active") == 0)
        client.connection.close()
    }

    /// The body of a chunked answer.
    private func chunks(of answer: String) -> String {
        let bytes = Array(answer.utf8)
        var body: [UInt8] = []
        var rest = bytes[...]
        func line() -> String {
            let line = rest.prefix { $0 != 0x0d }
            rest = rest.dropFirst(line.count + 2)
            return String(decoding: line, as: UTF8.self)
        }
        while !line().isEmpty {}
        while let size = Int(line(), radix: 16), size > 0 {
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        return String(decoding: body, as: UTF8.self)
    }

    @Test func compressesWhatIsLongForWhomTakesThat() throws {
        let port = try Port()
        port.fillStats()
        func head(_ request: String) -> String {
            let answer = port.exchange(request + close)
            return String(answer[..<(answer.firstRange(of: "\r\n\r\n")?.lowerBound ?? answer.endIndex)])
        }
        let takes = "Accept-Encoding: deflate, gzip\r\n"
        #expect(head("GET /stats HTTP/1.1\r\n" + takes).contains("\r\ncontent-encoding: gzip"))
        #expect(head("GET /stats HTTP/1.1\r\n" + takes).contains("\r\nvary: accept-encoding"))
        #expect(head("GET /help HTTP/1.1\r\n" + takes).contains("\r\ncontent-encoding: gzip"))
        #expect(!head("GET /help HTTP/1.1\r\n").contains("content-encoding"))
        #expect(!head("GET /help HTTP/1.1\r\nAccept-Encoding: gzip;q=0, br\r\n").contains("content-encoding"))
        #expect(!head("GET /ready HTTP/1.1\r\n" + takes).contains("content-encoding"))
        #expect(port.exchange("HEAD /stats HTTP/1.1\r\n" + takes + close).hasSuffix("\r\n\r\n"))
        let length = port.exchange("GET /stats HTTP/1.1\r\n" + takes + close).utf8.count
        #expect(length < 1 << 20)
    }

    @Test func knowsWhoTakesGzip() {
        func takes(_ value: String?) -> Bool {
            let headers = HeaderMap()
            if var value { value.withUTF8 { headers.append(.acceptEncoding, ByteView(UnsafeRawBufferPointer($0))) } }
            return AcceptEncoding.takesGzip(headers)
        }
        for value in ["gzip", "GZIP", "br, gzip;q=0.5", "*", "x-gzip", "gzip ; q=1", "identity;q=0, gzip"] {
            #expect(takes(value), "\(value)")
        }
        for value in [nil, "", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "gzippy", ";;,"] {
            #expect(!takes(value), "\(value ?? "nil")")
        }
    }

    @Test func givesUpThePageOfAReaderThatLeaves() throws {
        let port = try Port(smallBuffers: true)
        port.fillStats()
        let client = port.client(reads: false)
        client.send("GET /stats HTTP/1.1\r\n" + close)
        port.loop.turn { port.counter("http.admin.downstream_rq_2xx") == 1 }
        port.loop.turnWhileBusy()
        client.connection.close()
        port.loop.turn { port.gauge("http.admin.downstream_rq_active") == 0 }
        #expect(port.counter("http.admin.downstream_rq_rx_reset") == 1)
        #expect(port.exchange("GET /ready HTTP/1.1\r\n" + close).hasSuffix("LIVE\n"))
    }

    @Test func holdsOnlySoMuchThatNobodyReads() {
        let budget = AdminBudget()
        budget.take(AdminBudget.limit + 1)
        #expect(budget.isSpent)
        #expect(budget.refusal.status == 503)
        budget.giveBack(1)
        #expect(!budget.isSpent)
    }

    @Test func listensOnAPath() throws {
        let path = "/tmp/outrider-admin-\(UInt64.random(in: 0 ... .max)).sock"
        let port = try Port(.unix(path: path), unixMode: 0o600)
        #expect(port.server.address.description == path)
        #expect(port.exchange("GET /ready HTTP/1.1\r\n" + close).hasSuffix("LIVE\n"))
    }

    @Test func writesAnAccessLog() throws {
        let path = "/tmp/outrider-admin-\(UInt64.random(in: 0 ... .max)).log"
        let port = try Port(log: path)
        _ = port.exchange("GET /ready?x HTTP/1.1\r\n" + close)
        _ = port.exchange("GET /drain_listeners HTTP/1.1\r\n" + close)
        port.server.close()
        port.loop.turnWhileBusy()
        #expect(
            String(decoding: try FileContents.read(path, limit: 1000), as: UTF8.self) == """
                GET /ready?x 200 admin_filter_response 5
                GET /drain_listeners 405 admin_filter_response 38

                """)
    }

    @Test func saysWhyItCannotListen() throws {
        let port = try Port()
        do throws(any Error) {
            _ = try Port(port.server.address)
            Issue.record("bound twice")
        } catch {
            #expect("\(error)".contains(port.server.address.description), "\(error)")
        }
    }

    @Test func quitsAfterTheAnswerWasSent() throws {
        let port = try Port()
        let answer = port.exchange("POST /quitquitquit HTTP/1.1\r\ncontent-length: 0\r\n" + close)
        #expect(answer.hasSuffix("\r\n\r\nOK\n"))
        #expect(port.backend.calls == ["quit"])
    }
}

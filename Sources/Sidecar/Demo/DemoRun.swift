// `outrider demo`: an app, two sidecars, a load, and what can be seen of them.
import Glibc
import Reactor

/// Sets everything up, shows it, and takes it down again. Main thread only.
public final class DemoRun {
    private let options: DemoOptions
    private let loop: EventLoop
    private let screen: DemoScreen
    private let folder: String
    private var signals: SignalSource?
    private var sidecars: [DemoSidecar] = []
    private var load: DemoLoad?
    private var app: SampleApp?
    private var isInterrupted = false

    /// Runs the demo; returns the exit code.
    public static func main(_ options: DemoOptions) -> Int32 {
        ProcessLimits.ignoreBrokenPipes()
        do {
            let run = try DemoRun(options)
            defer { run.takeDown() }
            return try run.run()
        } catch is DemoInterrupted {
            return options.requests == nil ? 0 : 130
        } catch {
            _ = FixedBytes("outrider demo: \(error)\n").withView { try? AppendFile(.standardError).write($0) }
            return 1
        }
    }

    private init(_ options: DemoOptions) throws {
        self.options = options
        loop = try EventLoop()
        screen = try DemoScreen()
        // Before there is a folder to be left behind.
        SignalSource.block([SIGINT, SIGTERM, SIGHUP, SIGCHLD])
        folder = try Folder.makeTemporary(prefix: "outrider-demo")
    }

    private func run() throws -> Int32 {
        signals = try SignalSource(loop: loop, signals: [SIGINT, SIGTERM, SIGHUP, SIGCHLD]) { [unowned self] signal in
            if signal != SIGCHLD { isInterrupted = true }
            for sidecar in sidecars { sidecar.process.reap() }
        }
        try DevelopmentCertificates(
            days: 2, trustDomain: DemoBootstrap.trustDomain, services: [DemoBootstrap.frontend, DemoBootstrap.backend]
        ).write(to: folder)
        let app = try SampleApp(loop: loop, failures: options.failures)
        self.app = app
        let inbound = try start("inbound", DemoBootstrap.inbound(certificates: folder, app: app.address))
        guard let door = inbound.listener else { throw DemoError("the inbound sidecar has no listener") }
        let outbound = try start("outbound", DemoBootstrap.outbound(certificates: folder, inbound: door))
        guard let way = outbound.listener else { throw DemoError("the outbound sidecar has no listener") }
        let rate = options.rate ?? (options.requests == nil ? 50 : nil)
        let load = DemoLoad(loop: loop, address: way, rate: rate, count: options.requests)
        self.load = load
        let report = DemoReport(inbound: inbound, outbound: outbound, app: app, load: load)
        screen.say(report.introduction)
        if options.requests != nil { return try sendAll(report) }
        try showUntilInterrupted(report)
        return 0
    }

    private func start(_ name: String, _ bootstrap: String) throws -> DemoSidecar {
        let sidecar = try DemoSidecar(name, bootstrap: bootstrap, folder: folder)
        sidecars.append(sidecar)
        try wait(for: "the \(name) sidecar's admin port") { sidecar.findAdmin(loop) }
        var isReady = false
        while !isReady {
            var outcome: DemoClient.Outcome?
            sidecar.admin?.get("/ready") { result, _ in outcome = result }
            try wait(for: "the \(name) sidecar to be ready") { outcome != nil }
            if case .answered(200, _) = outcome { isReady = true } else { loop.turn(maxWait: .milliseconds(10)) }
        }
        sidecar.readListeners(try fetch("/listeners", sidecar))
        return sidecar
    }

    // MARK: --requests

    private func sendAll(_ report: DemoReport) throws -> Int32 {
        let before = try (scrape(report.inbound), scrape(report.outbound))
        report.load.start()
        while !report.load.isDone { try turn() }
        // Histograms appear with the next flush of the stats (0.2 s).
        let flushed = loop.now + .milliseconds(300)
        try wait(for: "the stats") { loop.now >= flushed }
        let after = try (scrape(report.inbound), scrape(report.outbound))
        let plainText = try tryPlainText(report.inbound)
        screen.say(DemoReport.moved(report.outbound, after.1.moved(since: before.1)))
        screen.say(DemoReport.moved(report.inbound, after.0.moved(since: before.0)))
        screen.say(report.summary(after.0, after.1, plainText: plainText))
        let problems = report.problems(after.0, plainText: plainText)
        if problems.isEmpty {
            screen.say("All \(report.load.sent) requests succeeded, all over mutual TLS.")
            return 0
        }
        for problem in problems { screen.say("Not as it should be: \(problem).") }
        return 1
    }

    /// Asks the inbound sidecar for a page without TLS.
    private func tryPlainText(_ inbound: DemoSidecar) throws -> DemoReport.PlainText {
        guard let address = inbound.listener else { return .refused("it has no listener") }
        let client = DemoClient(loop: loop, address: address, connections: 1)
        defer { client.close() }
        var outcome: DemoClient.Outcome?
        client.get("/") { result, _ in outcome = result }
        try wait(for: "an answer to plain text") { outcome != nil }
        switch outcome {
        case .answered(let status, _): return .taken("status \(status)")
        case .broken(let how): return .refused(how)
        case .unreachable(let how): throw DemoError("the inbound sidecar is gone: \(how)")
        case .timedOut, nil: throw DemoError("the inbound sidecar neither takes nor refuses plain text")
        }
    }

    // MARK: Live

    private func showUntilInterrupted(_ report: DemoReport) throws {
        var second = DemoReport.Second()
        var counted = (requests: 0, retries: 0)
        var next = loop.now + .seconds(1)
        report.load.start()
        while true {
            while loop.now < next { try turn() }
            next = max(next + .seconds(1), loop.now)
            second.number += 1
            second.latencies = report.load.latencies
            report.load.latencies.removeAll()
            second.inbound = try scrape(report.inbound)
            second.outbound = try scrape(report.outbound)
            let requests = second.outbound.total(
                "envoy_http_downstream_rq_total", ("envoy_http_conn_manager_prefix", "outbound"))
            let retries = second.outbound.total("envoy_cluster_upstream_rq_retry")
            second.rate = requests - counted.requests
            second.retries = retries - counted.retries
            counted = (requests, retries)
            if screen.isTerminal { screen.show(report.block(second)) } else { screen.say(report.line(second)) }
        }
    }

    // MARK: The loop

    /// One turn; ends the demo when somebody wants that, or when a sidecar has died.
    private func turn() throws {
        loop.turn(maxWait: .milliseconds(50))
        if isInterrupted || screen.isClosed { throw DemoInterrupted() }
        for sidecar in sidecars {
            guard let end = sidecar.process.end else { continue }
            throw DemoError("the \(sidecar.name) sidecar ended by itself (\(end)):\n\(sidecar.lastWords())")
        }
    }

    private func wait(for what: String, until isDone: () -> Bool) throws {
        let limit = loop.now + .seconds(15)
        while !isDone() {
            guard loop.now < limit else {
                let words = sidecars.last.map { ":\n\($0.lastWords())" } ?? ""
                throw DemoError("waited 15 s for \(what)\(words)")
            }
            try turn()
        }
    }

    private func fetch(_ path: String, _ sidecar: DemoSidecar) throws -> [UInt8] {
        var outcome: DemoClient.Outcome?
        sidecar.admin?.get(path) { result, _ in outcome = result }
        try wait(for: "\(path) of the \(sidecar.name) sidecar") { outcome != nil }
        guard case .answered(200, let body) = outcome else {
            throw DemoError("\(sidecar.adminURL)\(path): \(outcome.map { "\($0)" } ?? "no answer")")
        }
        return body
    }

    private func scrape(_ sidecar: DemoSidecar) throws -> MetricScrape {
        MetricScrape(try fetch("/stats/prometheus?usedonly", sidecar))
    }

    // MARK: The end

    private func takeDown() {
        load?.stop()
        for sidecar in sidecars {
            sidecar.admin?.close()
            sidecar.process.send(SIGTERM)
        }
        let limit = loop.now + .seconds(3)
        while loop.now < limit, sidecars.contains(where: { $0.process.reap() == nil }) {
            loop.turn(maxWait: .milliseconds(20))
        }
        for sidecar in sidecars {
            sidecar.process.send(SIGKILL)
            sidecar.process.wait()
        }
        app?.close()
        signals?.close()
        if options.keep {
            screen.say("Kept: \(folder)")
        } else {
            try? Folder.remove(folder)
        }
    }
}

// The demo's words and figures.
import Reactor

/// Turns what was measured into text.
struct DemoReport {
    let inbound: DemoSidecar
    let outbound: DemoSidecar
    let app: SampleApp
    let load: DemoLoad

    // MARK: Before

    var introduction: String {
        """
        A client, a sample app, and a sidecar beside each. Between the sidecars: mutual TLS.

          client  ->  outbound sidecar  =mTLS=>  inbound sidecar  ->  app
                      \(column(outbound.listenerText, 27))\(column(inbound.listenerText, 21))\(app.address)

        Try it from another terminal:
          curl http://\(outbound.listenerText)/
              the app, through both sidecars
          curl -k https://\(inbound.listenerText)/
              refused: no certificate, no answer
          curl '\(outbound.adminURL)/stats?usedonly&filter=retry'
              the outbound sidecar's admin port; \(outbound.adminURL)/ in a browser
          curl '\(inbound.adminURL)/stats?usedonly&filter=ssl'
              the inbound sidecar's admin port; \(inbound.adminURL)/ in a browser
        The bootstraps, to read and copy (Envoy takes them as they are):
          \(outbound.bootstrapPath)
          \(inbound.bootstrapPath)

        """
    }

    private func column(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    // MARK: While it runs

    /// One second's figures.
    struct Second {
        var number = 0
        var rate = 0
        var retries = 0
        var latencies = LatencyRecord()
        var inbound = MetricScrape()
        var outbound = MetricScrape()
    }

    func block(_ second: Second) -> [String] {
        let times = second.latencies.percentiles([50, 99, 100])
        return [
            "  requests  \(second.rate)/s now, \(load.sent) sent, \(load.failed) failed",
            "  latency   p50 \(times[0])   p99 \(times[1])   max \(times[2])",
            "  retries   \(second.retries)/s now, \(retries(second.outbound))",
            "  app       \(app.answered.well) answered, \(app.answered.badly) failed on purpose",
            "  mTLS      \(handshakes(second.inbound))",
            "            \(algorithms(second.inbound))",
            "  peers     \(callers) is let in,",
            "            \(DemoBootstrap.backendID) answers",
            "  (Ctrl-C ends it)",
        ]
    }

    func line(_ second: Second) -> String {
        let times = second.latencies.percentiles([50, 99])
        return "\(second.number) s: \(second.rate) requests/s, p50 \(times[0]), p99 \(times[1]), "
            + "\(load.failed) failed; \(second.retries) retries/s; "
            + "\(handshakes(second.inbound)) (\(algorithms(second.inbound)))"
    }

    private func retries(_ scrape: MetricScrape) -> String {
        let all = scrape.total("envoy_cluster_upstream_rq_retry")
        let well = scrape.total("envoy_cluster_upstream_rq_retry_success")
        let left = scrape.total("envoy_cluster_upstream_rq_retry_overflow")
        return "\(all) in all, which saved \(well) requests; \(left) not made for the retry budget"
    }

    private func handshakes(_ scrape: MetricScrape) -> String {
        let count = scrape.total("envoy_listener_ssl_handshake")
        let reused = scrape.total("envoy_listener_ssl_session_reused")
        return "\(count) handshake\(count == 1 ? "" : "s") (\(reused) resumed), "
            + "\(DemoReport.refused(scrape)) certificates refused"
    }

    private func algorithms(_ scrape: MetricScrape) -> String {
        [("ssl_version", "versions"), ("ssl_cipher", "ciphers"), ("ssl_curve", "curves")]
            .compactMap { scrape.values(of: $0.0, in: "envoy_listener_ssl_\($0.1)").first }.joined(separator: ", ")
    }

    /// Peers that the inbound sidecar did not let in because of their certificate, or the lack of one.
    static func refused(_ scrape: MetricScrape) -> Int {
        ["no_cert", "error", "san", "cert_hash"].reduce(0) {
            $0 + scrape.total("envoy_listener_ssl_fail_verify_\($1)")
        }
    }

    private var callers: String {
        load.callers.isEmpty ? "nobody" : load.callers.keys.sorted().joined(separator: ", ")
    }

    // MARK: After

    /// What a plain-text request to the inbound sidecar came to.
    enum PlainText {
        case refused(String)
        case taken(String)
    }

    /// The figures after `--requests`.
    func summary(_ inbound: MetricScrape, _ outbound: MetricScrape, plainText: PlainText) -> String {
        let duration = max(1, load.duration.microseconds)
        let rate = Int64(load.succeeded + load.failed) * 1_000_000 / duration
        let times = load.latencies.percentiles([50, 90, 99, 100])
        let plain =
            switch plainText {
            case .refused(let how): "plain text to \(self.inbound.listenerText) is refused (\(how))"
            case .taken(let what): "PLAIN TEXT to \(self.inbound.listenerText) IS TAKEN (\(what))"
            }
        return """
            \(load.sent) requests: \(load.succeeded) succeeded, \(load.failed) failed, \
            in \(LatencyRecord.text(UInt32(clamping: duration))) (\(rate)/s)
              latency   p50 \(times[0])   p90 \(times[1])   p99 \(times[2])   max \(times[3])
              retries   \(retries(outbound))
              app       \(app.answered.well) answered, \(app.answered.badly) failed on purpose
              mTLS      \(handshakes(inbound))
                        \(algorithms(inbound))
                        called by \(callers)
                        \(plain)

            """
    }

    /// The metrics of a sidecar that moved.
    static func moved(_ sidecar: DemoSidecar, _ groups: [MetricScrape.Group]) -> String {
        var text = "What moved in the \(sidecar.name) sidecar (\(sidecar.adminURL)/stats/prometheus?usedonly):\n"
        for group in groups {
            text += "  \(group.title)\n"
            for line in group.lines {
                let gap = String(repeating: " ", count: max(2, 50 - line.name.count))
                text += "    \(line.name)\(gap)\(line.change)\n"
            }
        }
        return text
    }

    /// Why the run was no success; empty when it was one.
    func problems(_ inbound: MetricScrape, plainText: PlainText) -> [String] {
        var found: [String] = []
        if load.failed > 0 {
            found.append(
                "\(load.failed) of \(load.sent) requests failed, the first one with \(load.firstFailure ?? "")")
        }
        if inbound.total("envoy_listener_ssl_handshake") == 0 { found.append("there was no TLS handshake") }
        if DemoReport.refused(inbound) > 0 {
            found.append("\(DemoReport.refused(inbound)) peers were refused for their certificate")
        }
        let known = load.callers[DemoBootstrap.frontendID] ?? 0
        if known < load.succeeded {
            found.append(
                "\(load.succeeded - known) of \(load.succeeded) requests reached the app without "
                    + "\(DemoBootstrap.frontendID) as their caller")
        }
        if case .taken = plainText { found.append("the inbound sidecar answers to plain text") }
        return found
    }
}

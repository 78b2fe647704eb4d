// Tests of the Prometheus page: Envoy's own output line for line, filters, histograms and escaping.
import Testing

@testable import Metrics

@Suite struct PrometheusTextTests {
    private func page(_ store: StatStore, _ change: (inout PrometheusText.Options) -> Void = { _ in }) -> String {
        var options = PrometheusText.Options()
        change(&options)
        return String(decoding: PrometheusText.render(store.snapshot(), options), as: UTF8.self)
    }

    @Test func isEnvoysPage() {
        var options = StatOptions()
        options.fixedTags = [StatTagRule(name: "zone", source: .fixed("eu1"))]
        options.customTags = [
            // ^cluster\.(web)
            StatTagRule(
                name: "my.custom-tag",
                source: .extracted(prefix: "cluster") {
                    $0.hasPrefix("cluster.web") ? TagMatch(removed: 8..<11, value: 8..<11) : nil
                }),
            // \.((upstream)_)
            StatTagRule(
                name: "anyname",
                source: .extracted(prefix: nil) { name in
                    offset(of: ".upstream_", in: name).map {
                        TagMatch(removed: $0 + 1..<$0 + 10, value: $0 + 1..<$0 + 9)
                    }
                }),
            StatTagRule(name: "fixedone", source: .fixed("fv\"x\\y")),
            // (membership_)
            StatTagRule(
                name: "onlyg1",
                source: .extracted(prefix: nil) { name in
                    offset(of: "membership_", in: name).map { TagMatch(removed: $0..<$0 + 11, value: $0..<$0 + 11) }
                }),
        ]
        #expect(page(fill(StatStore(options: options), EnvoyOutput.plainStats)) == EnvoyOutput.plainPrometheus + "\n")
    }

    @Test func isEnvoysPageWithTLS() {
        let store = fill(StatStore(), EnvoyOutput.tlsStats)
        #expect(page(store) { $0.textReadouts = true } == EnvoyOutput.tlsPrometheus + "\n")
    }

    @Test func printsHistogramsAsEnvoy() {
        var options = StatOptions()
        options.histogramBuckets = [HistogramBucketRule(bounds: [0.5, 2.25, 1000]) { $0.hasSuffix("cx_length_ms") }]
        let store = StatStore(options: options)
        let histogram = store.makeCells().histogram("cluster.web.upstream_cx_length_ms", unit: .milliseconds)
        for value: UInt64 in [1, 3, 4] { histogram.record(value) }
        store.mergeHistograms()
        #expect(
            page(store) == """
                # TYPE envoy_cluster_upstream_cx_length_ms histogram
                envoy_cluster_upstream_cx_length_ms_bucket{envoy_cluster_name="web",le="0.5"} 0
                envoy_cluster_upstream_cx_length_ms_bucket{envoy_cluster_name="web",le="2.25"} 1
                envoy_cluster_upstream_cx_length_ms_bucket{envoy_cluster_name="web",le="1000"} 3
                envoy_cluster_upstream_cx_length_ms_bucket{envoy_cluster_name="web",le="+Inf"} 3
                envoy_cluster_upstream_cx_length_ms_sum{envoy_cluster_name="web"} 8.146182091537284009064023848623
                envoy_cluster_upstream_cx_length_ms_count{envoy_cluster_name="web"} 3

                """)
    }

    @Test func bucketBoundsArePlainDecimals() {
        let store = StatStore()
        _ = store.makeCells().histogram("server.initialization_time_ms")
        let page = page(store)
        #expect(page.contains("envoy_server_initialization_time_ms_bucket{le=\"0.5\"} 0\n"))
        #expect(page.contains("envoy_server_initialization_time_ms_bucket{le=\"1800000\"} 0\n"))
        #expect(page.contains("envoy_server_initialization_time_ms_bucket{le=\"3600000\"} 0\n"))
        #expect(
            page.hasSuffix(
                "_bucket{le=\"+Inf\"} 0\nenvoy_server_initialization_time_ms_sum{} 0\nenvoy_server_initialization_time_ms_count{} 0\n"
            ))
        #expect(page.split(separator: "\n").count == 1 + 19 + 3)
    }

    @Test func printsSummariesOfTheInterval() {
        let store = StatStore()
        let histogram = store.makeCells().histogram("cluster.web.upstream_rq_time")
        for value: UInt64 in [0, 0, 1, 40, 43] { histogram.record(value) }
        store.mergeHistograms()
        #expect(
            page(store) { $0.summaries = true } == """
                # TYPE envoy_cluster_upstream_rq_time summary
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="0"} 0
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="0.25"} 0
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="0.5"} 1.0500000000000000444089209850063
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="0.75"} 40.5
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="0.9"} 43.5
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="0.95"} 43.5
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="0.99"} 43.5
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="0.995"} 43.5
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="0.999"} 43.5
                envoy_cluster_upstream_rq_time{envoy_cluster_name="web",quantile="1"} 43.5
                envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="web"} 85.035699081676099808646540623158
                envoy_cluster_upstream_rq_time_count{envoy_cluster_name="web"} 5

                """)
        store.mergeHistograms()
        let idle = page(store) { $0.summaries = true }
        #expect(idle.contains("quantile=\"0.5\"} nan\n"))
        #expect(idle.hasSuffix("_count{envoy_cluster_name=\"web\"} 0\n"))
    }

    @Test func leavesOutWhatIsFiltered() {
        let store = StatStore()
        let cells = store.makeCells()
        cells.counter("cluster.a.upstream_rq_total").increment()
        _ = cells.counter("cluster.b.upstream_rq_total")
        cells.gauge("cluster.a.upstream_rq_active").set(0)
        _ = cells.gauge("cluster.b.upstream_rq_active")
        _ = cells.histogram("cluster.a.upstream_rq_time")
        #expect(
            page(store) { $0.filter.usedOnly = true } == """
                # TYPE envoy_cluster_upstream_rq_total counter
                envoy_cluster_upstream_rq_total{envoy_cluster_name="a"} 1
                # TYPE envoy_cluster_upstream_rq_active gauge
                envoy_cluster_upstream_rq_active{envoy_cluster_name="a"} 0

                """)
        #expect(
            page(store) { $0.filter.accepts = { $0.starts(with: "cluster.b.upstream_rq_a".utf8) } } == """
                # TYPE envoy_cluster_upstream_rq_active gauge
                envoy_cluster_upstream_rq_active{envoy_cluster_name="b"} 0

                """)
        #expect(page(store) { $0.filter.kinds = [.counter] }.split(separator: "\n").count == 3)
        #expect(page(store) { $0.filter.kinds = [] } == "")
    }

    @Test func escapesWhatPrometheusCannotTake() {
        let store = StatStore()
        let cells = store.makeCells()
        _ = cells.counter("cluster.q\"b\\s\nl-é.upstream_cx_total")
        cells.textReadout("control_plane.identifier").set("a\"b\\c\nd")
        #expect(
            page(store) { $0.textReadouts = true } == #"""
                # TYPE envoy_cluster_upstream_cx_total counter
                envoy_cluster_upstream_cx_total{envoy_cluster_name="q\"b\\s\nl-é"} 0
                # TYPE envoy_control_plane_identifier gauge
                envoy_control_plane_identifier{text_value="a\"b\\c\nd"} 0

                """#)
        #expect(!page(store).contains("text_value"))
        #expect(PrometheusName.sanitized("a.b-c:d é") == "a_b_c_d___")
    }
}

/// Makes the stats of an `EnvoyOutput` list.
func fill(_ store: StatStore, _ list: String) -> StatStore {
    let cells = store.makeCells()
    for line in list.split(separator: "\n") {
        let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        let value = UInt64(parts[2]) ?? 0
        switch parts[0] {
        case "c": cells.counter(parts[1]).add(value)
        case "g": cells.gauge(parts[1]).set(bits: value)
        default: cells.textReadout(parts[1]).set(String(parts[2].dropFirst().dropLast()))
        }
    }
    return store
}

/// Where `part` begins in `text`, in UTF-8 bytes.
@Sendable func offset(of part: String, in text: String) -> Int? {
    let text = Array(text.utf8)
    let part = Array(part.utf8)
    guard text.count >= part.count else { return nil }
    return (0...text.count - part.count).first { text[$0...].starts(with: part) }
}

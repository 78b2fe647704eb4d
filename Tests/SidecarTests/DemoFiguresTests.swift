// The demo's figures: percentiles, what moved between two scrapes, and which requests fail.
import Reactor
import Testing

@testable import Sidecar

@Suite struct DemoFiguresTests {
    @Test func percentilesAreThoseOfTheSamples() {
        var record = LatencyRecord()
        #expect(record.percentiles([50]) == ["-"])
        for milliseconds in (1...100).reversed() { record.add(.milliseconds(Int64(milliseconds))) }
        #expect(record.percentiles([1, 50, 99, 100]) == ["1.00 ms", "50.0 ms", "99.0 ms", "100.0 ms"])
        record.removeAll()
        record.add(.microseconds(7))
        #expect(record.percentiles([50, 99]) == ["0.00 ms", "0.00 ms"])
        record.add(.seconds(90_000))
        #expect(record.percentiles([100]) == ["4294.96 s"])
    }

    @Test(arguments: [(0, 0), (1, 10), (10, 100), (33, 330), (100, 1000)])
    func failuresAreSpreadEvenly(percent: Int, expected: Int) {
        let rate = FailureRate(percent: percent)
        var inEachHundred: Set<Int> = []
        for _ in 0..<10 {
            inEachHundred.insert((0..<100).count { _ in rate.nextFails() })
        }
        #expect(rate.failed == expected)
        #expect(inEachHundred == [percent])
    }

    static let before = MetricScrape(
        Array(
            """
            # TYPE envoy_cluster_upstream_rq counter
            envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="app"} 3
            # TYPE envoy_server_live gauge
            envoy_server_live{} 1

            """.utf8))

    static let after = MetricScrape(
        Array(
            """
            # TYPE envoy_cluster_upstream_rq counter
            envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="app"} 10
            envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="app"} 2
            # TYPE envoy_listener_ssl_versions counter
            envoy_listener_ssl_versions{envoy_ssl_version="TLSv1.2",envoy_listener_address="a\\"b,{c}=\\\\"} 1
            envoy_listener_ssl_versions{envoy_ssl_version="TLSv1.3",envoy_listener_address="a\\"b,{c}=\\\\"} 4
            # TYPE envoy_server_live gauge
            envoy_server_live{} 1
            # TYPE envoy_cluster_upstream_cx_active gauge
            envoy_cluster_upstream_cx_active{envoy_cluster_name="app"} 2
            # TYPE envoy_cluster_upstream_rq_time histogram
            envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="app",le="0.5"} 1
            envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="app",le="+Inf"} 4
            envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="app"} 5.13
            envoy_cluster_upstream_rq_time_count{envoy_cluster_name="app"} 4
            no metric at all
            envoy_unheard_of{} 3

            """.utf8))

    @Test func addsUpSeriesOfAName() {
        #expect(Self.after.total("envoy_cluster_upstream_rq") == 12)
        #expect(Self.after.total("envoy_cluster_upstream_rq", ("envoy_response_code", "503")) == 2)
        #expect(Self.after.total("envoy_unheard_of") == 0)
        #expect(Self.after.values(of: "ssl_version", in: "envoy_listener_ssl_versions") == ["TLSv1.3", "TLSv1.2"])
    }

    @Test func showsWhatMovedInGroups() {
        let groups = Self.after.moved(since: Self.before)
        #expect(groups.map(\.title) == ["cluster app", "listener a\"b,{c}=\\"])
        let names = ["upstream_cx_active", "upstream_rq_time", "upstream_rq{200}", "upstream_rq{503}"]
        #expect(groups.first?.lines.map(\.name) == names)
        #expect(groups.first?.lines.map(\.change) == ["0 -> 2", "4 samples, mean 1.28", "+7", "+2"])
        #expect(groups.last?.lines.map(\.name) == ["ssl_versions{TLSv1.2}", "ssl_versions{TLSv1.3}"])
        #expect(Self.after.moved(since: Self.after).isEmpty)
    }
}

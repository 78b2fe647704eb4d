// Tests of the /stats pages, text and JSON, against what Envoy 1.40 printed.
import Testing

@testable import Metrics

@Suite struct StatsPageTests {
    /// One of each kind; the histogram has an interval (43) and older values.
    private func store() -> StatStore {
        let store = StatStore()
        let cells = store.makeCells()
        cells.counter("cluster.web.upstream_rq_200").add(3)
        cells.gauge("cluster.web.membership_total").set(1)
        _ = cells.counter("cluster.web.bind_errors")
        cells.textReadout("listener_manager.lds.version_text").set("v\"1")
        let histogram = cells.histogram("cluster.web.upstream_rq_time", unit: .milliseconds)
        _ = cells.histogram("cluster.web.upstream_cx_length_ms", unit: .milliseconds)
        for value: UInt64 in [1, 1, 40] { histogram.record(value) }
        store.mergeHistograms()
        histogram.record(45)
        store.mergeHistograms()
        return store
    }

    private func text(_ display: HistogramDisplay = .summary, _ change: (inout StatFilter) -> Void = { _ in }) -> String
    {
        var filter = StatFilter()
        change(&filter)
        return String(decoding: StatsText.render(store().snapshot(), filter, histograms: display), as: UTF8.self)
    }

    private func json(_ display: HistogramDisplay = .summary, _ change: (inout StatFilter) -> Void = { _ in }) -> String
    {
        var filter = StatFilter()
        change(&filter)
        return String(decoding: StatsJSON.render(store().snapshot(), filter, histograms: display), as: UTF8.self)
    }

    @Test func textInEnvoysOrder() {
        #expect(
            text() == """
                listener_manager.lds.version_text: "v"1"
                cluster.web.bind_errors: 0
                cluster.web.membership_total: 1
                cluster.web.upstream_rq_200: 3
                cluster.web.upstream_cx_length_ms: No recorded values
                cluster.web.upstream_rq_time: P0(45.5,1.0333333333333334) P25(45.5,1.0333333333333334) \
                P50(45.5,1.0666666666666667) P75(45.5,40.5) P90(45.5,45.5) P95(45.5,45.5) P99(45.5,45.5) \
                P99.5(45.5,45.5) P99.9(45.5,45.5) P100(45.5,45.5)

                """)
    }

    @Test func textBuckets() {
        #expect(
            text(.cumulative) { $0.kinds = [.histogram] } == """
                cluster.web.upstream_cx_length_ms: No recorded values
                cluster.web.upstream_rq_time: B0.5(0,0) B1(0,2) B5(0,2) B10(0,2) B25(0,2) B50(1,4) B100(1,4) \
                B250(1,4) B500(1,4) B1000(1,4) B2500(1,4) B5000(1,4) B10000(1,4) B30000(1,4) B60000(1,4) \
                B300000(1,4) B600000(1,4) B1.8e+06(1,4) B3.6e+06(1,4)

                """)
        #expect(
            text(.disjoint).contains(
                "upstream_rq_time: B0.5(0,0) B1(0,2) B5(0,0) B10(0,0) B25(0,0) B50(1,2) B100(0,0) "))
        #expect(
            text(.detailed) { $0.accepts = { $0.elementsEqual("cluster.web.upstream_rq_time".utf8) } } == """
                cluster.web.upstream_rq_time:
                  totals=1,0.1:2, 40,1:1, 45,1:1
                  intervals=45,1:1
                  summary=P0(45.5,1.0333333333333334) P25(45.5,1.0333333333333334) \
                P50(45.5,1.0666666666666667) P75(45.5,40.5) P90(45.5,45.5) P95(45.5,45.5) P99(45.5,45.5) \
                P99.5(45.5,45.5) P99.9(45.5,45.5) P100(45.5,45.5)

                """)
    }

    @Test func textFilters() {
        #expect(text { $0.usedOnly = true }.split(separator: "\n").count == 4)
        #expect(text { $0.kinds = [.counter] } == "cluster.web.bind_errors: 0\ncluster.web.upstream_rq_200: 3\n")
        #expect(
            text { $0.accepts = { $0.elementsEqual("cluster.web.membership_total".utf8) } }
                == "cluster.web.membership_total: 1\n")
        #expect(text { $0.accepts = { _ in false } } == "")
    }

    @Test func jsonInEnvoysOrder() {
        let none = #"{"cumulative":null,"interval":null}"#
        let empty = Array(repeating: none, count: 10).joined(separator: ",")
        let full =
            ["1.0333333333333334", "1.0333333333333334", "1.0666666666666667", "40.5"]
            + Array(repeating: "45.5", count: 6)
        let values = full.map { #"{"cumulative":\#($0),"interval":45.5}"# }.joined(separator: ",")
        #expect(
            json() == #"{"stats":[{"name":"listener_manager.lds.version_text","value":"v\"1"},"#
                + #"{"name":"cluster.web.bind_errors","value":0},{"name":"cluster.web.membership_total","value":1},"#
                + #"{"name":"cluster.web.upstream_rq_200","value":3},{"histograms":{"supported_quantiles":"#
                + #"[0,25,50,75,90,95,99,99.5,99.9,100],"computed_quantiles":["#
                + #"{"name":"cluster.web.upstream_cx_length_ms","values":[\#(empty)]},"#
                + #"{"name":"cluster.web.upstream_rq_time","values":[\#(values)]}]}}]}"#)
    }

    @Test func jsonBuckets() {
        let buckets = json(.disjoint) { $0.accepts = { $0.elementsEqual("cluster.web.upstream_rq_time".utf8) } }
        #expect(
            buckets.hasPrefix(
                #"{"stats":[{"histograms":[{"name":"cluster.web.upstream_rq_time","buckets":["#
                    + #"{"upper_bound":0.5,"interval":0,"cumulative":0},{"upper_bound":1,"interval":0,"cumulative":2},"#
            ))
        #expect(buckets.hasSuffix(#"{"upper_bound":3600000,"interval":0,"cumulative":0}]}]}]}"#))
        let detailed = json(.detailed) { $0.accepts = { $0.elementsEqual("cluster.web.upstream_rq_time".utf8) } }
        #expect(
            detailed.hasPrefix(
                #"{"stats":[{"histograms":{"supported_percentiles":[0,25,50,75,90,95,99,99.5,99.9,100],"#
                    + #""details":[{"name":"cluster.web.upstream_rq_time","totals":["#
                    + #"{"lower_bound":1,"width":0.1,"count":2},{"lower_bound":40,"width":1,"count":1},"#
                    + #"{"lower_bound":45,"width":1,"count":1}],"intervals":[{"lower_bound":45,"width":1,"count":1}],"#
                    + #""percentiles":[{"cumulative":1.0333333333333334,"interval":45.5},"#))
        #expect(detailed.hasSuffix("]}]}}]}"))
    }

    @Test func jsonWithoutStats() {
        #expect(json { $0.accepts = { _ in false } } == #"{"stats":[]}"#)
        #expect(
            json { $0.kinds = [.textReadout] }
                == #"{"stats":[{"name":"listener_manager.lds.version_text","value":"v\"1"}]}"#)
        #expect(json { $0.kinds = [.histogram] }.hasPrefix(#"{"stats":[{"histograms":{"#))
    }

    @Test func jsonEscapes() {
        var output = TextOutput()
        output.append(json: "a\"\\\n\r\t\u{1}\u{1F}é")
        #expect(String(decoding: output.bytes, as: UTF8.self) == #""a\"\\\n\r\t\u0001\u001fé""#)
    }

    @Test func kindsByEnvoysNames() {
        #expect(StatFilter.kinds(named: "Counters") == [.counter])
        #expect(StatFilter.kinds(named: "Gauges") == [.gauge])
        #expect(StatFilter.kinds(named: "Histograms") == [.histogram])
        #expect(StatFilter.kinds(named: "TextReadouts") == [.textReadout])
        #expect(StatFilter.kinds(named: "All")?.count == 4)
        #expect(StatFilter.kinds(named: "counters") == nil)
    }

    @Test func numbers() {
        func shown(_ body: (inout TextOutput) -> Void) -> String {
            var output = TextOutput()
            body(&output)
            return String(decoding: output.bytes, as: UTF8.self)
        }
        #expect(shown { $0.append(UInt64.max) } == "18446744073709551615")
        #expect(shown { $0.append(0 as UInt64) } == "0")
        #expect(shown { $0.append(shortest: 45) } == "45")
        #expect(shown { $0.append(shortest: .nan) } == "nan")
        #expect(shown { $0.append(json: .infinity) } == "null")
        #expect(shown { $0.append(3_600_000, precision: 32) } == "3600000")
        #expect(shown { $0.append(3_600_000, precision: 6) } == "3.6e+06")
    }
}

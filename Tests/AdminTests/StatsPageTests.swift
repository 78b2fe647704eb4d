// `/stats` and its parameters; what the renderers write is tested with Metrics.
import Testing

@testable import Admin

@Suite struct StatsPageTests {
    private func filled() throws -> Desk {
        let desk = try Desk()
        let cells = desk.backend.cells
        cells.counter("cluster.web.upstream_rq_200").add(3)
        _ = cells.counter("cluster.web.upstream_rq_retry")
        cells.gauge("server.live").set(1)
        cells.histogram("http.in.downstream_rq_time", unit: .milliseconds).record(7)
        desk.backend.stats.mergeHistograms()
        return desk
    }

    @Test func printsText() throws {
        let desk = try filled()
        let text = desk.get("/stats?format=text").text
        #expect(text == desk.get("/stats").text)
        #expect(
            text.contains("cluster.web.upstream_rq_200: 3\ncluster.web.upstream_rq_retry: 0\nserver.live: 1\nhttp."))
        #expect(desk.backend.refreshes == 2)
    }

    @Test(arguments: [
        ("usedonly&type=Counters", "cluster.web.upstream_rq_200: 3\n"),
        ("filter=%5Eserver%5C.", "server.live: 1\n"), ("type=Gauges", "server.live: 1\n"),
        ("filter=rq&invert_filter", "server.live: 1\n"), ("filter=nothing_at_all", ""), ("hidden=only", ""),
        ("filter=live&hidden=exclude&type=&histogram_buckets=", "server.live: 1\n"),
        ("format=json&filter=live", #"{"stats":[{"name":"server.live","value":1}]}"#),
        ("format=json&filter=nothing_at_all", #"{"stats":[]}"#),
        ("format=prometheus&filter=live", "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n"),
        // Prometheus pages have all kinds, whatever `type` says.
        (
            "format=prometheus&type=Gauges&filter=_200",
            "# TYPE envoy_cluster_upstream_rq counter\n"
                + "envoy_cluster_upstream_rq{envoy_response_code=\"200\",envoy_cluster_name=\"web\"} 3\n"
        ),
    ])
    func choosesStats(parameters: String, text: String) throws {
        let answer = try filled().get("/stats?" + parameters)
        #expect(answer.status == 200)
        #expect(answer.text == text)
    }

    @Test func printsHistogramsAsAsked() throws {
        let desk = try filled()
        func page(_ parameters: String) -> String { desk.get("/stats?filter=rq_time&" + parameters).text }
        #expect(page("").hasPrefix("http.in.downstream_rq_time: P0("))
        #expect(page("histogram_buckets=none") == page(""))
        #expect(
            page("histogram_buckets=cumulative").hasPrefix(
                "http.in.downstream_rq_time: B0.5(0,0) B1(0,0) B5(0,0) B10(1,1)"))
        #expect(page("histogram_buckets=disjoint").contains(" B10(1,1) B25(0,0) "))
        #expect(page("histogram_buckets=detailed").hasPrefix("http.in.downstream_rq_time:\n  totals=7,0.1:1\n"))
        #expect(page("format=prometheus").contains("le=\"10\"} 1\n"))
        #expect(
            page("format=prometheus&histogram_buckets=summary").contains(
                "{envoy_http_conn_manager_prefix=\"in\",quantile=\"0.5\"} "))
    }

    @Test(arguments: [
        ("/stats?filter=(", "Invalid re2 regex: missing ): ("), ("/stats?type=foo", "invalid &type= param"),
        ("/stats?format=xx", "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n"),
        ("/stats/prometheus?format=xx", "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n"),
        (
            "/stats?histogram_buckets=foo",
            "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n"
        ),
        ("/stats?histogram_buckets=prometheusnative", "Invalid histogram_buckets type for non prometheus stats type"),
        (
            "/stats/prometheus?histogram_buckets=prometheusnative",
            "unsupported prometheusnative histogram type when not using protobuf exposition format"
        ),
        ("/stats/prometheus?histogram_buckets=detailed", "unsupported prometheus histogram bucket mode"),
        ("/stats?hidden=foo", "usage: /stats?hidden=(include|only|exclude)\n\n"),
    ])
    func refusesWhatItDoesNotKnow(target: String, text: String) throws {
        let answer = try filled().get(target)
        #expect(answer.status == 400)
        #expect(answer.text == text)
    }

    @Test func prometheusKeepsItsFormat() throws {
        let desk = try filled()
        let answer = desk.get("/stats/prometheus?format=json&filter=live")
        #expect(answer.text == "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n")
        #expect(answer.contentType.text == "text/plain; version=0.0.4; charset=utf-8")
    }

    @Test func htmlEscapesWhatCameFromOutside() throws {
        let desk = try filled()
        let nasty = "%22'%3E%3Cscript%3E%26"
        let answer = desk.get("/stats?format=html&usedonly&filter=" + nasty)
        let text = answer.text
        #expect(answer.contentType.text == "text/html; charset=UTF-8")
        #expect(text.contains("value='&quot;&#39;&gt;&lt;script&gt;&amp;'"))
        #expect(text.contains("<input type='checkbox' name='usedonly' form='form-stats' checked>"))
        #expect(text.contains("<option selected>html</option>"))
        #expect(!text.contains("<script"))
        #expect(desk.get("/stats?format=active-html").text.contains("http-equiv='refresh'"))
    }

    @Test func theHomePageHasEveryEndpoint() throws {
        let desk = try filled()
        let page = desk.get("/").text
        for endpoint in desk.desk.endpoints where endpoint.path != "/" {
            let method = endpoint.isChanging ? "post" : "get"
            #expect(page.contains("action='\(endpoint.path.dropFirst())' method='\(method)'"), "\(endpoint.path)")
            for parameter in endpoint.parameters { #expect(page.contains("name='\(parameter.name)'")) }
        }
        #expect(page.contains("<b class='good'>LIVE</b>"))
    }
}

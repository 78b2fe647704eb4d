// Text formats: what Envoy 1.40 printed for the same templates, and which templates it refused.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

@Suite struct FormatterTests {
    @Test func unsetOperatorsPrintWhatEnvoyPrints() throws {
        let stream = StreamFixture("/404")
        stream.request.remove(.host)
        stream.info.httpVersion = nil
        let dash = [
            "REQ(X-NONE)", "RESP(X-UP)", "RESPONSE_HEADER(CONTENT-TYPE)", "TRAILER(X)", "RESPONSE_TRAILER(X)",
            "PROTOCOL",
            "UPSTREAM_PROTOCOL", "RESPONSE_CODE_DETAILS", "RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)", "RESPONSE_FLAGS",
            "RESPONSE_FLAGS_LONG", "CONNECTION_TERMINATION_DETAILS", "UPSTREAM_TRANSPORT_FAILURE_REASON",
            "DOWNSTREAM_TRANSPORT_FAILURE_REASON", "DOWNSTREAM_LOCAL_CLOSE_REASON", "UPSTREAM_LOCAL_CLOSE_REASON",
            "UPSTREAM_DETECTED_CLOSE_TYPE", "REQUEST_DURATION", "REQUEST_TX_DURATION", "RESPONSE_DURATION",
            "RESPONSE_TX_DURATION", "ROUNDTRIP_DURATION", "DOWNSTREAM_HANDSHAKE_DURATION",
            "UPSTREAM_CONNECTION_POOL_READY_DURATION", "COMMON_DURATION(DS_RX_BEG:US_CX_BEG:us)", "ROUTE_NAME",
            "VIRTUAL_CLUSTER_NAME", "UPSTREAM_HOST", "UPSTREAM_HOST_NAME", "UPSTREAM_HOSTS_ATTEMPTED",
            "UPSTREAM_CONNECTION_IDS_ATTEMPTED", "UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW", "UPSTREAM_SERVER_NAME",
            "UPSTREAM_LOCAL_ADDRESS", "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "UPSTREAM_LOCAL_PORT",
            "UPSTREAM_REMOTE_ADDRESS", "UPSTREAM_REMOTE_PORT", "UPSTREAM_TLS_CIPHER", "UPSTREAM_PEER_URI_SAN",
            "UPSTREAM_PEER_CERT_V_START", "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)",
            "REQUESTED_SERVER_NAME", "DOWNSTREAM_PEER_SUBJECT", "DOWNSTREAM_TLS_VERSION", "DOWNSTREAM_TLS_GROUP",
            "DOWNSTREAM_PEER_FINGERPRINT_256", "DOWNSTREAM_PEER_CERT_V_END(%s)", "FILTER_CHAIN_NAME",
            "TLS_JA3_FINGERPRINT", "TLS_JA4_FINGERPRINT", "STREAM_ID", "DYNAMIC_METADATA(a:b)", "CLUSTER_METADATA(a:b)",
            "UPSTREAM_METADATA(a:b)", "FILTER_STATE(a)", "FILTER_STATE(a:PLAIN)", "UPSTREAM_FILTER_STATE(a:FIELD:b)",
            "METADATA(ROUTE:a:b)", "ENVIRONMENT(NO_SUCH_VARIABLE_HERE)", "GRPC_STATUS", "GRPC_STATUS(SNAKE_STRING)",
            "GRPC_STATUS_NUMBER", "TRACE_ID", "SPAN_ID", "QUERY_PARAM(none)", "QUERY_PARAMS", "PATH(NQ:ORIG)",
        ]
        for name in dash { #expect(try stream.format("%\(name)%") == "-", "\(name)") }
        let zero = [
            "RESPONSE_CODE", "BYTES_RECEIVED", "BYTES_SENT", "BYTES_RETRANSMITTED", "PACKETS_RETRANSMITTED",
            "RESPONSE_HEADERS_BYTES", "RESPONSE_TRAILERS_BYTES", "UPSTREAM_WIRE_BYTES_SENT",
            "DOWNSTREAM_HEADER_BYTES_RECEIVED", "DURATION", "UPSTREAM_CONNECTION_ID", "CONNECTION_ID",
            "UPSTREAM_REQUEST_ATTEMPT_COUNT",
        ]
        for name in zero { #expect(try stream.format("%\(name)%") == "0", "\(name)") }
        #expect(try stream.format("[%CUSTOM_FLAGS%%LOCAL_REPLY_BODY%]") == "[]")
        #expect(try stream.format("%DOWNSTREAM_DETECTED_CLOSE_TYPE%") == "Normal")
    }

    @Test func headerValuesLeaveUnsetOperatorsOut() throws {
        let stream = StreamFixture()
        // As Envoy: flags and a missing variable are text of their own, not unset.
        let template = "[%TRACE_ID%][%RESPONSE_FLAGS%][%RESPONSE_CODE%][%ENVIRONMENT(NO_SUCH_VARIABLE_HERE)%]"
        #expect(try stream.format(template, omitEmpty: true) == "[][-][0][-]")
    }

    @Test func headersAndTheirAlternatives() throws {
        let stream = StreamFixture(
            "/up?a=1",
            headers: [("user-agent", "agent/1"), ("x-multi", "a"), ("x-multi", "b"), ("x-empty", ""), ("x-own", "o?p")])
        let cases = [
            "REQ(:METHOD)": "GET", "REQ(:PATH)": "/up?a=1", "REQ(:AUTHORITY)": "h", "REQ(HOST)": "h",
            "REQ(:SCHEME)": "http", "REQ(X-NONE?USER-AGENT):4": "agen", "REQ(X-MULTI)": "a", "REQ(X-EMPTY)": "",
            "REQUEST_HEADER(X-EMPTY?USER-AGENT)": "", "REQ(x-own)": "o?p", "REQ_WITHOUT_QUERY(:PATH)": "/up",
            "REQ(X-NONE?:PATH):0": "", "REQ(:path?)": "/up?a=1",
        ]
        for (name, expected) in cases { #expect(try stream.format("%\(name)%") == expected, "\(name)") }
    }

    @Test func pathsAndQueries() throws {
        let stream = StreamFixture("/direct?a=%41%20b+c&b%20c=1", headers: [("x-envoy-original-path", "/o?q")])
        let cases = [
            "PATH": "/o?q", "PATH(NQ)": "/o", "PATH(NQ:ORIG)": "/o", "PATH(WQ:PATH)": "/direct?a=%41%20b+c&b%20c=1",
            "PATH(NQ:PATH)": "/direct", "PATH(:ORIG_OR_PATH):2": "/o", "QUERY_PARAM(a)": "A b+c",
            "QUERY_PARAM(b c)": "1",
            "QUERY_PARAM(b+c)": "-", "QUERY_PARAM(a):1": "A", "QUERY_PARAMS": "a=%41%20b+c&b%20c=1",
            "QUERY_PARAMS(DECODED)": "a=A%20b+c&b%20c=1",
        ]
        for (name, expected) in cases { #expect(try stream.format("%\(name)%") == expected, "\(name)") }
        let odd = StreamFixture("/direct?a=%4g%4&%%41")
        #expect(try odd.format("%QUERY_PARAMS(DECODED)%") == "a=4g4&A")
    }

    @Test func addresses() throws {
        let stream = StreamFixture()
        let downstream = DownstreamInfo(
            connectionID: 7, local: .v4(IPv4Address(bits: 0x7f00_0001), port: 80),
            remote: .v4(IPv4Address(bits: 0x0a01_ff05), port: 4711), accepted: .zero)
        stream.info.downstream = downstream
        stream.info.upstream.host = Host(address: .v6(.loopback, scope: 0, port: 8080))
        stream.info.upstream.localAddress = .unix(path: "/run/a")
        let cases = [
            "DOWNSTREAM_LOCAL_ADDRESS": "127.0.0.1:80", "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": "127.0.0.1",
            "DOWNSTREAM_LOCAL_PORT": "80", "DOWNSTREAM_REMOTE_ADDRESS": "10.1.255.5:4711",
            "DOWNSTREAM_DIRECT_REMOTE_PORT": "4711", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(17)": "10.1.128.0/17",
            "UPSTREAM_HOST": "[::1]:8080", "UPSTREAM_HOST_NAME": "[::1]:8080", "UPSTREAM_HOST_NAME_WITHOUT_PORT": "::1",
            "UPSTREAM_LOCAL_ADDRESS": "/run/a", "UPSTREAM_LOCAL_PORT": "-", "CONNECTION_ID": "7",
            "DOWNSTREAM_DIRECT_LOCAL_ADDRESS": "127.0.0.1:80",
        ]
        for (name, expected) in cases { #expect(try stream.format("%\(name)%") == expected, "\(name)") }
        stream.info.upstream.host = Host(address: .v4(.loopback, port: 1), hostname: "a.b:99")
        #expect(try stream.format("%UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%") == "a.b:99 a.b")
    }

    @Test func redirectedConnectionsHaveSeveralAddresses() throws {
        let stream = StreamFixture()
        let downstream = DownstreamInfo(
            connectionID: 7, local: .v4(.loopback, port: 15001), remote: .v4(.loopback, port: 2), accepted: .zero)
        downstream.localAddress = .v4(IPv4Address(bits: 0x0a00_0001), port: 3306)
        downstream.remoteAddress = .v4(IPv4Address(bits: 0x0a00_0002), port: 5)
        downstream.metadata.note("n", "k", "a\"b")
        downstream.metadata.note("n", "k", "again")
        downstream.metadata.note("n", "l", "c")
        stream.info.downstream = downstream
        let cases = [
            "DOWNSTREAM_LOCAL_ADDRESS": "10.0.0.1:3306", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS": "127.0.0.1:15001",
            "DOWNSTREAM_REMOTE_ADDRESS": "10.0.0.2:5", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": "127.0.0.1:2",
            "DYNAMIC_METADATA(n:k)": "a\"b", "DYNAMIC_METADATA(n:k):1": "a", "METADATA(DYNAMIC:n:l)": "c",
            "DYNAMIC_METADATA(n)": "{\"k\":\"a\\\"b\",\"l\":\"c\"}", "DYNAMIC_METADATA(n:m)": "-",
            "DYNAMIC_METADATA(m)": "-", "DYNAMIC_METADATA(n:k:x)": "-",
        ]
        for (name, expected) in cases { #expect(try stream.format("%\(name)%") == expected, "\(name)") }
    }

    @Test func triesAreListedInOrder() throws {
        let stream = StreamFixture()
        let hosts = (1...2).map { Host(address: .v4(IPv4Address(bits: 0x0a00_0000 + UInt32($0)), port: 80)) }
        stream.info.upstream.earlierTries = [
            UpstreamTry(hosts[0], connectionID: 3), UpstreamTry(hosts[1], connectionID: 4, wasRetried: false),
        ]
        stream.info.upstream.host = hosts[1]
        stream.info.upstream.connectionID = 5
        #expect(try stream.format("%UPSTREAM_HOSTS_ATTEMPTED%") == "10.0.0.1:80,10.0.0.2:80")
        #expect(try stream.format("%UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%") == "10.0.0.1,10.0.0.2")
        #expect(try stream.format("%UPSTREAM_CONNECTION_IDS_ATTEMPTED%") == "3,5")
    }

    @Test func durations() throws {
        let stream = StreamFixture()
        func at(_ microseconds: UInt64) -> MonotonicTime { MonotonicTime(ns: microseconds * 1000) }
        stream.info.marks.start = at(1_000)
        stream.info.marks.requestEnd = at(2_999)
        stream.info.marks.lastUpstreamSent = at(4_000)
        stream.info.marks.firstUpstreamReceived = at(6_500)
        stream.info.marks.lastDownstreamSent = at(9_999)
        stream.info.marks.end = at(11_000)
        stream.info.upstream.poolReady = .milliseconds(5)
        let cases = [
            "DURATION": "10", "REQUEST_DURATION": "1", "REQUEST_TX_DURATION": "3", "RESPONSE_DURATION": "5",
            "RESPONSE_TX_DURATION": "3", "UPSTREAM_CONNECTION_POOL_READY_DURATION": "5",
            "COMMON_DURATION(DS_RX_BEG:DS_TX_END)": "8", "COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)": "8999",
            "COMMON_DURATION(US_TX_END:US_RX_BEG:ns)": "2500000", "COMMON_DURATION(DS_TX_END:DS_RX_BEG)": "-",
        ]
        for (name, expected) in cases { #expect(try stream.format("%\(name)%") == expected, "\(name)") }
        stream.info.marks.end = nil
        stream.now = at(21_000)
        #expect(try stream.format("%DURATION%") == "20")
    }

    @Test func flagsNamesAndDetails() throws {
        let stream = StreamFixture(headers: [("x-request-id", "abc")])
        stream.info.flags = [.upstreamRetryLimitExceeded, .upstreamConnectionFailure]
        stream.info.responseCode = 503
        stream.info.responseCodeDetails = "via_upstream"
        stream.info.upstream.transportFailureReason = "delayed connect error: Connection refused"
        stream.info.upstream.clusterName = "up"
        stream.info.routeName = "r"
        #expect(
            try stream.format("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%")
                == "URX,UF UpstreamRetryLimitExceeded,UpstreamConnectionFailure")
        #expect(try stream.format("%UPSTREAM_TRANSPORT_FAILURE_REASON%") == "delayed_connect_error:_Connection_refused")
        #expect(
            try stream.format("%RESPONSE_CODE%/%RESPONSE_CODE_DETAILS%/%ROUTE_NAME%/%UPSTREAM_CLUSTER%")
                == "503/via_upstream/r/up")
        #expect(try stream.format("%STREAM_ID%") == "abc")
        stream.info.upstream.clusterAlias = "alias"
        #expect(try stream.format("%UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW%") == "alias up")
        stream.logType = .downstreamEnd
        #expect(try stream.format("%ACCESS_LOG_TYPE%") == "DownstreamEnd")
    }

    @Test func grpcStatusOfGRPCRequestsOnly() throws {
        let stream = StreamFixture(headers: [("content-type", "application/grpc+proto")])
        stream.add(stream.trailers, "grpc-status", "4")
        #expect(
            try stream.format("%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%")
                == "DeadlineExceeded DEADLINE_EXCEEDED 4")
        stream.trailers.removeAll()
        stream.info.responseCode = 503
        #expect(try stream.format("%GRPC_STATUS(CAMEL_STRING)%") == "Unavailable")
        stream.add(stream.response, "grpc-status", "77")
        #expect(try stream.format("%GRPC_STATUS%") == "77")
        stream.set(stream.request, "content-type", "text/plain")
        #expect(try stream.format("%GRPC_STATUS%") == "-")
    }

    @Test func serverNames() throws {
        let stream = StreamFixture(headers: [("x-envoy-original-host", "orig")])
        stream.info.downstream = DownstreamInfo(
            connectionID: 1, local: .v4(.loopback, port: 1), remote: .v4(.loopback, port: 2), accepted: .zero)
        #expect(try stream.format("%REQUESTED_SERVER_NAME%") == "-")
        #expect(try stream.format("%REQUESTED_SERVER_NAME(SNI_FIRST)%") == "orig")
        #expect(try stream.format("%REQUESTED_SERVER_NAME(SNI_FIRST:HOST)%") == "h")
        stream.info.downstream?.requestedServerName = "a-1.B"
        #expect(try stream.format("%REQUESTED_SERVER_NAME% %REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)%") == "a-1.B orig")
        stream.info.downstream?.requestedServerName = "a b\n"
        #expect(try stream.format("%REQUESTED_SERVER_NAME%") == "INVALID:a_b_")
    }

    @Test func uniqueIDsAreRandomUUIDs() throws {
        let stream = StreamFixture()
        let formatter = try Formatter("%UNIQUE_ID%")
        let one = Array(formatter.string(stream.context).utf8)
        #expect(one.count == 36)
        #expect([8, 13, 18, 23].allSatisfy { one[$0] == UInt8(ascii: "-") })
        #expect(one[14] == UInt8(ascii: "4"))
        #expect("89ab".utf8.contains(one[19]))
        #expect(one != Array(formatter.string(stream.context).utf8))
    }

    @Test func literalsMerge() throws {
        let formatter = try Formatter("100%% %ENVIRONMENT(NO_SUCH_VARIABLE_HERE)% ok")
        #expect(formatter.constant?.string == "100% - ok")
        #expect(try Formatter("").constant?.isEmpty == true)
        #expect(try Formatter("%PROTOCOL%").constant == nil)
    }

    @Test func defaultLine() throws {
        let stream = StreamFixture("/404?x", headers: [("user-agent", "nsq2http")])
        stream.info.responseCode = 404
        stream.info.flags = .noRouteFound
        #expect(
            try stream.format(AccessLogSpec.defaultFormat)
                == "[2016-04-15T20:17:00.310Z] \"GET /404?x HTTP/1.1\" 404 NR 0 0 0 - "
                + "\"-\" \"nsq2http\" \"-\" \"h\" \"-\"\n"
        )
    }
}

@Suite struct FormatErrorTests {
    @Test(arguments: [
        ("%START_TIME", 0), ("%REQ(", 0), ("50% off", 2), ("%REQ(a):x%", 0), ("%req(a)%", 0), ("% %", 0), ("a%", 1),
        ("ab%REQ(a?b?c)%", 2), ("%REQ()%", 0), ("%REQ%", 0), ("x%NOPE%", 1), ("%RESPONSE_CODE(1)%", 0),
        ("%RESPONSE_CODE:3%", 0), ("%START_TIME(%n)%", 12), ("%START_TIME(ab%Q)%", 14), ("%START_TIME(%10f)%", 12),
        ("%GRPC_STATUS(X)%", 0), ("%COMMON_DURATION(a)%", 0), ("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:s)%", 0),
        ("%COMMON_DURATION(DS_RX_BEG:TYPO)%", 0), ("%REQ(b@d)%", 0), ("%REQ(a b)%", 0),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)%", 0), ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(129)%", 0),
        ("%ENVIRONMENT()%", 0), ("%PATH(X)%", 0), ("%PATH(NQ:X)%", 0), ("%QUERY_PARAMS(RAW)%", 0), ("%TRACE_ID(1)%", 0),
        ("%FILTER_STATE(:TYPED)%", 0), ("%FILTER_STATE(a:FIELD)%", 0), ("%METADATA(X:a)%", 0), ("%ROUTE_NAME:5%", 0),
        ("%REQUESTED_SERVER_NAME(HOST_ONLY)%", 0), ("%REQUESTED_SERVER_NAME(SNI_FIRST:X)%", 0), ("%HOSTNAME:2%", 0),
        ("%START_TIME(%)%", 12), ("%START_TIME(%E)%", 12), ("%START_TIME(%E5Y)%", 12),
    ])
    func refused(_ template: String, _ position: Int) {
        do {
            try Formatter.check(template)
            Issue.record("\(template) was taken")
        } catch {
            #expect(error.position == position, "\(template): \(error)")
            #expect(!error.message.isEmpty)
        }
    }

    @Test func unsupportedIsToldFromUnknown() {
        #expect(throws: FormatError(position: 0, message: "Outrider does not support Envoy's operator CEL")) {
            try Formatter.check("%CEL(request.path)%")
        }
        #expect(throws: FormatError(position: 0, message: "unknown operator NOPE")) { try Formatter.check("%NOPE%") }
    }

    @Test(arguments: [
        "%%", "100%% ok", "%START_TIME()%", "%START_TIME(%E9S)%", "%DYNAMIC_METADATA(a:b):3%",
        "%UPSTREAM_METADATA([\"a\",\"b\"])%", "%REQUESTED_SERVER_NAME(:HOST)%", "%RESPONSE_CODE_DETAILS(X)%", "",
    ])
    func taken(_ template: String) throws {
        try Formatter.check(template)
    }

    /// Whatever is written into a template is taken or refused, never a crash.
    @Test func anyTextIsTakenOrRefused() throws {
        var random = FastRandom(seed: (5, 6, 7, 8))
        let pieces = [
            "%", "%%", "(", ")", ":", "?", "REQ", "RESP", "START_TIME", "COMMON_DURATION", "PATH", "FILTER_STATE",
            "METADATA",
            "ROUTE", "DS_RX_BEG", "%3f", "%E", "*S", "f", "9", "99999999999999999999", "x", "é", "\n", "GRPC_STATUS",
            "_",
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "QUERY_PARAM", "REQUESTED_SERVER_NAME", "ENVIRONMENT", "-", "{",
            "\"",
        ]
        let stream = StreamFixture("/a?b=%4", headers: [("x", "1")])
        var taken = 0
        for _ in 0..<20_000 {
            var template = random.below(2) == 0 ? "%" : ""
            for _ in 0..<random.below(8) { template += pieces[Int(random.below(UInt64(pieces.count)))] }
            if random.below(2) == 0 { template += "%" }
            do throws(FormatError) {
                let formatter = try Formatter(template)
                _ = formatter.string(stream.context)
                taken += 1
            } catch {
                #expect(error.position >= 0 && error.position <= template.utf8.count)
            }
        }
        #expect(taken > 1_000)
    }
}

// Trust and forwarding facts: x-forwarded-*, internal and external clients, request ids, identity.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct RequestHeaderTests {
    private static let internalRange = CIDRRange("10.0.0.0/8")

    /// The headers that an upstream sees.
    private func seen(
        peer: String = "10.0.0.9", _ fields: [String] = [],
        _ settings: (inout HTTPConnectionManagerSpec) -> Void = { _ in }
    ) throws -> ScriptedTry {
        let rig = try HTTPRig(peer: peer, settings: settings)
        rig.request("GET", "/", fields)
        return try #require(rig.app.last)
    }

    @Test func remoteAddressIsAppended() throws {
        #expect(try seen().value("x-forwarded-for") == nil)
        let appended = try seen(["x-forwarded-for: 1.2.3.4"]) { $0.useRemoteAddress = true }
        #expect(appended.value("x-forwarded-for") == "1.2.3.4,10.0.0.9")
        let kept = try seen(["x-forwarded-for: 1.2.3.4"]) {
            $0.useRemoteAddress = true
            $0.skipXFFAppend = true
        }
        #expect(kept.value("x-forwarded-for") == "1.2.3.4")
        // A loopback client is told as the machine itself.
        let local = try seen(peer: "127.0.0.1") { $0.useRemoteAddress = true }
        #expect(local.value("x-forwarded-for") == "192.0.2.1")
    }

    @Test(arguments: [
        ("1.1.1.1, 2.2.2.2 ,3.3.3.3", 0, "3.3.3.3", false), ("1.1.1.1, 2.2.2.2,3.3.3.3", 2, "1.1.1.1", true),
        ("2001:db8::1", 0, "2001:db8::1", true), ("[2001:db8::1]:80", 0, "2001:db8::1", true),
        ("1.1.1.1:80", 0, "1.1.1.1", true), ("junk", 0, nil, true), ("1.1.1.1", 3, nil, false), ("", 0, nil, false),
    ])
    func clientsAreReadFromTheRight(_ value: String, _ skip: Int, _ address: String?, _ isLeftmost: Bool) {
        let headers = HeaderMap()
        value.bytes { headers.append(.xForwardedFor, $0) }
        let client = ForwardedFor.client(headers, skip: skip)
        #expect(client.address?.description == address)
        #expect(client.isOnlyEntry == isLeftmost)
    }

    @Test func internalClientsAreToldApart() throws {
        let inside = try seen(["x-envoy-retry-on: 5xx"]) {
            $0.useRemoteAddress = true
            $0.internalAddresses = [RequestHeaderTests.internalRange].compactMap { $0 }
        }
        #expect(inside.value("x-envoy-internal") == "true")
        #expect(inside.value("x-envoy-external-address") == nil)
        let outside = try seen([
            "x-envoy-internal: true", "x-envoy-upstream-rq-timeout-ms: 1", "x-envoy-downstream-service-node: n",
        ]) { $0.useRemoteAddress = true }
        #expect(outside.value("x-envoy-internal") == nil)
        #expect(outside.value("x-envoy-expected-rq-timeout-ms") == "15000")
        #expect(outside.value("x-envoy-external-address") == "10.0.0.9")
        #expect(outside.value("x-envoy-downstream-service-node") == nil)
        // Without use_remote_address a single internal entry makes the request internal.
        let forwarded = try seen(["x-forwarded-for: 10.1.1.1"]) {
            $0.internalAddresses = [RequestHeaderTests.internalRange].compactMap { $0 }
        }
        #expect(forwarded.value("x-envoy-internal") == "true")
    }

    @Test func protoAndPortCountOnlyFromTrustedHops() throws {
        let untrusted = try seen(["x-forwarded-proto: https", "x-forwarded-for: 1.1.1.1"]) {
            $0.useRemoteAddress = true
            $0.appendXForwardedPort = true
        }
        #expect(untrusted.value("x-forwarded-proto") == "http" && untrusted.value("x-forwarded-port") == "8080")
        let trusted = try seen(["x-forwarded-proto: https", "x-forwarded-for: 1.1.1.1"]) {
            $0.useRemoteAddress = true
            $0.xffTrustedHops = 1
        }
        #expect(trusted.value("x-forwarded-proto") == "https")
        let overwritten = try seen { $0.schemeOverwrite = "https" }
        #expect(overwritten.value("x-forwarded-proto") == "https")
    }

    @Test func requestIDs() throws {
        #expect(try seen(["x-request-id: mine"]).value("x-request-id") == "mine")
        let replaced = try seen(["x-request-id: mine"]) { $0.useRemoteAddress = true }
        #expect(replaced.value("x-request-id")?.utf8.count == 36)
        let preserved = try seen(["x-request-id: mine"]) {
            $0.useRemoteAddress = true
            $0.preserveExternalRequestID = true
        }
        #expect(preserved.value("x-request-id") == "mine")
        #expect(try seen { $0.generateRequestID = false }.value("x-request-id") == nil)
    }

    @Test func requestIDsAreRandomUUIDs() {
        var random = FastRandom()
        var made: Set<String> = []
        for _ in 0..<100 { RequestID.make(&random) { made.insert($0.string) } }
        #expect(made.count == 100)
        for id in made {
            let parts = id.split(separator: "-")
            #expect(parts.map(\.utf8.count) == [8, 4, 4, 4, 12])
            #expect(parts[2].hasPrefix("4"))
            #expect(parts[3].first.map { "89ab".contains($0) } == true)
        }
    }

    @Test func identityAndVia() throws {
        let named = try seen {
            $0.addUserAgent = true
            $0.via = "edge"
        }
        #expect(named.value("x-envoy-downstream-service-cluster") == "svc")
        #expect(named.value("user-agent") == "svc")
        #expect(named.value("via") == "edge")
        #expect(try seen(["via: 1.1 x"]) { $0.via = "edge" }.value("via") == "1.1 x, edge")
    }

    @Test func hopByHopFieldsGo() throws {
        let got = try seen([
            "connection: keep-alive, x-hop", "x-hop: 1", "keep-alive: timeout=5", "te: gzip, trailers", "x-end: 2",
            "upgrade: h2c",
        ])
        #expect(got.value("x-hop") == nil && got.value("keep-alive") == nil && got.value("connection") == nil)
        #expect(got.value("te") == "trailers" && got.value("x-end") == "2" && got.value("upgrade") == nil)
    }

    @Test func refererMustBeClean() throws {
        #expect(try seen(["referer: https://a/b"]).value("referer") == "https://a/b")
        #expect(try seen(["referer: https://u:p@a/b"]).value("referer") == nil)
        #expect(try seen(["referer: https://a/#x"]).value("referer") == nil)
    }

    @Test func xfccIsSanitizedByDefault() throws {
        #expect(try seen(["x-forwarded-client-cert: By=x"]).value("x-forwarded-client-cert") == nil)
        let always = try seen(["x-forwarded-client-cert: By=x"]) { $0.clientCert.mode = .alwaysForwardOnly }
        #expect(always.value("x-forwarded-client-cert") == "By=x")
        // Without TLS nobody vouches for the header.
        let appended = try seen(["x-forwarded-client-cert: By=x"]) { $0.clientCert.mode = .appendForward }
        #expect(appended.value("x-forwarded-client-cert") == nil)
    }

    @Test func responsesCarryTheRequestIDWhenAsked() throws {
        let rig = try HTTPRig {
            $0.alwaysSetRequestIDInResponse = true
            $0.via = "edge"
        }
        let exchange = rig.request("GET", "/", ["x-request-id: mine"])
        rig.app.last?.answer()
        #expect(exchange.value("x-request-id") == "mine" && exchange.value("via") == "edge")
    }

    @Test func proxyStatusNamesTheError() throws {
        let rig = try HTTPRig { $0.proxyStatus = ProxyStatusSpec() }
        rig.app.mode = .noHost
        let exchange = rig.request()
        #expect(
            exchange.value("proxy-status")
                == "envoy; error=destination_unavailable; details=\"no_healthy_upstream; UH\"")
    }
}

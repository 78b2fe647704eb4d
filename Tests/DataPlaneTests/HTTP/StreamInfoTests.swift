// What the access log learns of a stream: flags, details, marks, bytes.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct StreamInfoTests {
    /// The stream of the last request; its facts stay until the next turn of the loop.
    private func info(_ rig: HTTPRig) throws -> StreamInfo { try #require(rig.streams.last?.info) }

    @Test func aWholeExchange() throws {
        let rig = try HTTPRig()
        let exchange = rig.request("POST", "/", ["content-length: 3"], end: false)
        rig.pass(.milliseconds(10))
        exchange.send("abc", end: true)
        rig.pass(.milliseconds(20))
        exchange.wireBytesReceived = 100
        exchange.wireBytesSent = 50
        rig.app.last?.wireBytesSent = 120
        rig.app.last?.wireBytesReceived = 60
        rig.app.last?.answer(200, [], "hello")
        let info = try info(rig)
        #expect(info.responseCode == 200 && info.flags.isEmpty && info.responseCodeDetails == "via_upstream")
        #expect(info.bytesReceived == 3 && info.bytesSent == 5)
        #expect(info.downstreamWire.received == 100 && info.downstreamWire.sent == 50)
        #expect(info.upstreamWire.sent == 120 && info.upstreamWire.received == 60)
        #expect(info.routeName == "api" && info.upstream.clusterName == "app" && info.upstream.attemptCount == 1)
        #expect(info.upstream.host === rig.app.hosts[0] && info.upstream.connectionID == 7)
        let start = info.marks.start
        #expect(info.marks.requestEnd == start + .milliseconds(10))
        #expect(info.marks.lastUpstreamReceived == start + .milliseconds(30))
        #expect(info.marks.end == start + .milliseconds(30))
    }

    @Test func aClientThatLeftIsDC() throws {
        let rig = try HTTPRig()
        rig.request()
        rig.codec.clientLeaves()
        let info = try info(rig)
        #expect(info.flags == .downstreamConnectionTermination && info.responseCode == 0)
        #expect(info.responseCodeDetails == "downstream_remote_disconnect")
    }

    @Test func ourOwnCloseSaysWhy() throws {
        let rig = try HTTPRig()
        rig.request()
        rig.manager.closeConnections()
        #expect(try info(rig).responseCodeDetails == "downstream_local_disconnect{connection_manager_closed}")
    }

    @Test func failuresCarryFlagAndDetails() throws {
        let rig = try HTTPRig()
        rig.request()
        rig.app.last?.reset(.connectFailure, "delayed connect error: Connection refused")
        let failed = try info(rig)
        #expect(failed.flags == .upstreamConnectionFailure)
        #expect(
            failed.responseCodeDetails
                == "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
        )
        rig.request()
        rig.app.last?.answer(200, ["content-length: 9"], "half", end: false)
        rig.app.last?.reset(.protocolError)
        let late = try info(rig)
        #expect(late.flags == .upstreamProtocolError)
        #expect(late.responseCodeDetails == "upstream_reset_after_response_started{protocol_error}")
    }

    @Test func retriesThatAreUsedUpAddURX() throws {
        var policy = RetryPolicySpec()
        policy.conditions = .connectFailure
        let rig = try HTTPRig(route: { $0.retryPolicy = policy })
        rig.request()
        rig.app.last?.reset(.connectFailure)
        rig.pass(.milliseconds(300))
        rig.app.last?.reset(.connectFailure)
        let info = try info(rig)
        #expect(info.flags == [.upstreamRetryLimitExceeded, .upstreamConnectionFailure])
        #expect(info.upstream.attemptCount == 2 && info.upstream.earlierTries.count == 1)
    }

    @Test func aRefusedMessageIsDPE() throws {
        let rig = try HTTPRig()
        let refused = rig.open()
        refused.fail(.malformedField, "a field without a colon")
        let info = try info(rig)
        #expect(info.flags == .downstreamProtocolError && info.responseCode == 400)
    }

    @Test func theClientIsWhomTheHeadersTell() throws {
        let rig = try HTTPRig()
        rig.request("GET", "/", ["x-forwarded-for: 1.2.3.4"])
        rig.request()
        #expect(rig.streams.map { $0.info.client?.description } == ["1.2.3.4:0", nil])
    }
}

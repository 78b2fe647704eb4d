// What is recorded of requests: which of them, and what it says.
import HTTPWire
import Reactor
import TestKit
import Testing

@testable import DataPlane

@Suite struct RequestRecordTests {
    private let log: FlightLog = {
        var spec = ExplainSpec()
        spec.othersPerSecond = 0
        return FlightLog(spec, worker: 0)
    }()

    private var records: [FlightRecord] { FlightLog.latest(99, of: [log]) { _ in true } }

    @Test func whatGoesWellIsNotRecorded() throws {
        let rig = try HTTPRig(flightLog: log)
        rig.request()
        rig.app.last?.answer(404)
        rig.request("GET", "/x")
        rig.app.last?.answer(200, ["content-length: 2"], "ok")
        #expect(records.isEmpty)
        #expect(rig.streams.allSatisfy { $0.ownReply == nil })
    }

    @Test func aServersOwnErrorIsRecorded() throws {
        let rig = try HTTPRig(flightLog: log)
        rig.request("PUT", "/a?b", ["x-request-id: 7"])
        rig.pass(.milliseconds(20))
        rig.app.last?.answer(500)
        let record = try #require(records.first)
        #expect(record.text(.method) == "PUT" && record.text(.path) == "/a?b" && record.has(id: "7"))
        #expect(record.number(.responseCode) == 500 && record.flags.isEmpty && record.text(.reply).isEmpty)
        #expect(record.text(.listener) == "here" && record.text(.route) == "api" && record.text(.virtualHost) == "all")
        #expect(record.duration == .milliseconds(20) && record.text(.details) == "via_upstream")
        let host = try #require(rig.app.hosts.first)
        #expect(
            record.tries == [
                FlightRecord.Try(
                    host: host.address.description, connectionID: 7, took: .milliseconds(20), end: "answered 500")
            ])
    }

    @Test func everyTryIsTold() throws {
        var policy = RetryPolicySpec()
        policy.conditions = [.connectFailure, .gatewayError]
        policy.numRetries = 2
        policy.perTryTimeout = .milliseconds(100)
        let rig = try HTTPRig(flightLog: log, route: { $0.retryPolicy = policy })
        rig.request()
        rig.app.last?.reset(.connectFailure, "refused")
        rig.pass(.milliseconds(300))
        rig.pass(.milliseconds(100))
        // The second back-off is any time below 75 ms, none at all included: the third try must not time out here.
        rig.pass(.milliseconds(90))
        rig.app.last?.answer(503)
        let record = try #require(records.first)
        #expect(record.tries.map(\.end) == ["remote connection failure", "per_try_timeout", "answered 503"])
        #expect(record.tries.map(\.detail) == ["refused", "", ""])
        #expect(record.tries.map(\.took) == [.zero, .milliseconds(100), .zero])
        #expect(
            record.limits.contains(FlightRecord.Limit(name: "route 'api' per_try_timeout", value: .milliseconds(100))))
    }

    @Test func timeoutsNameTheirSetting() throws {
        let rig = try HTTPRig(
            flightLog: log, settings: { $0.internalAddresses = [CIDRRange("10.0.0.0/8")].compactMap { $0 } },
            route: { $0.timeout = .seconds(3) })
        rig.request()
        rig.pass(.seconds(3))
        let route = try #require(records.first)
        #expect(route.text(.decidedBy) == "route 'api' timeout 3s" && route.tries.first?.end == "the route's timeout")
        rig.request("GET", "/", ["x-forwarded-for: 10.1.1.1", "x-envoy-upstream-rq-timeout-ms: 5"])
        rig.pass(.milliseconds(5))
        #expect(records.contains { $0.text(.decidedBy) == "x-envoy-upstream-rq-timeout-ms 5ms" })
        let idle = try HTTPRig(flightLog: log, settings: { $0.streamIdleTimeout = .seconds(1) })
        idle.request()
        idle.app.last?.answer(200, ["content-length: 9"], "half", end: false)
        idle.pass(.seconds(1))
        let cut = try #require(records.first { $0.text(.decidedBy).hasPrefix("stream_idle_timeout") })
        #expect(cut.flags == .streamIdleTimeout && cut.number(.responseCode) == 200 && cut.number(.bytesSent) == 4)
    }

    @Test func aTryWithoutAHostNamesNone() throws {
        let rig = try HTTPRig(flightLog: log)
        rig.app.mode = .noHost
        rig.request()
        #expect(records.first?.tries == [FlightRecord.Try(host: "-", end: "no healthy host")])
    }

    @Test func clientsThatLeaveAreRecorded() throws {
        let rig = try HTTPRig(flightLog: log)
        rig.request()
        rig.codec.clientLeaves()
        let record = try #require(records.first)
        #expect(record.flags == .downstreamConnectionTermination && record.tries.first?.end == "given up")
    }

    @Test func whatARouteAnswersIsNoFailureUnlessItSaysSo() throws {
        func direct(_ path: String, _ status: Int) -> RouteSpec {
            RouteSpec(
                match: RouteMatchSpec(path: .exact(path)), action: .direct(DirectResponseSpec(status: status)))
        }
        let rig = try HTTPRig(routes: [direct("/no", 403), direct("/bad", 503)], flightLog: log)
        rig.request("GET", "/no")
        #expect(records.isEmpty)
        rig.request("GET", "/bad")
        rig.request("GET", "/nowhere")
        #expect(records.count == 2)
        let nowhere = try #require(records.first { $0.number(.responseCode) == 404 })
        #expect(nowhere.flags == .noRouteFound && nowhere.text(.reply) == "no route matches this request")
    }

    @Test func gRPCCallsAreJudgedByTheirStatus() throws {
        let rig = try HTTPRig(flightLog: log)
        for (status, isFailure) in [("5", false), ("14", true)] {
            rig.request("POST", "/s/m", ["content-type: application/grpc"])
            rig.app.last?.answer(200, ["content-type: application/grpc"], "x", end: false)
            rig.app.last?.endWithTrailers("grpc-status", status)
            #expect(records.isEmpty == !isFailure)
        }
        #expect(records.first?.text(.grpcStatus) == "14" && records.first?.number(.responseCode) == 200)
    }
}

// Streams that come and go: back-off, rate limits, limits on responses, timeouts, and who shares what.
import DataPlane
import EnvoyAPI
import Metrics
import Reactor
import Testing

@testable import ControlPlane

@Suite struct StreamLifeTests {
    typealias Rig = ControlPlaneRig

    @Test func comesBackWithGrowingPauses() throws {
        let rig = try Rig { $0.backoff = BackoffSpec(base: .seconds(1), max: .seconds(4)) }
        let watcher = RecordingWatcher()
        var source = ConfigSourceSpec(.aggregated)
        source.initialFetchTimeout = nil
        rig.subscribe(.clusters, source: source, watcher: watcher)
        let server = try rig.transport()
        for (round, most) in [1, 2, 4, 4, 4].enumerated() {
            server.end()
            rig.advance(.milliseconds(9))
            #expect(server.opened.count == round + 1, "never without a pause")
            rig.advance(.seconds(Int64(most)))
            #expect(server.opened.count == round + 2)
        }
        #expect(rig.stat("sub.update_failure") == 5)
        #expect(rig.stat("sub.update_attempt") == 6)
        server.connect()
        #expect(rig.stat("control_plane.connected_state") == 1)
        server.answer(Rig.whole(.clusters, "1", "n"))
        server.end()
        #expect(rig.stat("control_plane.connected_state") == 0)
        rig.advance(.seconds(1))
        #expect(server.opened.count == 7, "a stream that has brought something starts the pauses anew")
    }

    @Test func requestsAreRateLimited() throws {
        let rig = try Rig {
            var limit = GRPCSourceSpec.RateLimit()
            limit.maxTokens = 2
            limit.fillRate = 1
            $0.rateLimit = limit
        }
        let watcher = RecordingWatcher()
        for type in [ResourceType.clusters, .listeners, .routes, .endpoints] {
            rig.subscribe(type, "x", watcher: watcher)
        }
        let server = try rig.transport()
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster [x] node=me", "Listener [x] node=me"])
        #expect(rig.stat("control_plane.rate_limit_enforced") == 1)
        #expect(rig.stat("control_plane.pending_requests") == 2)
        rig.advance(.milliseconds(999))
        #expect(server.taken() == [])
        rig.advance(.milliseconds(2))
        #expect(server.taken() == ["RouteConfiguration [x] node=me"])
        rig.advance(.seconds(1))
        #expect(server.taken() == ["ClusterLoadAssignment [x] node=me"])
        #expect(rig.stat("control_plane.pending_requests") == 0)
    }

    @Test func aServerThatSendsFasterThanItMayBeAnsweredIsMadeToWait() throws {
        let rig = try Rig(isDelta: true) {
            var limit = GRPCSourceSpec.RateLimit()
            limit.maxTokens = 1
            limit.fillRate = 10
            $0.rateLimit = limit
        }
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        for round in 0..<30 { server.answer(Rig.delta(.clusters, "\(round)", [("a", "\(round)")])) }
        rig.turn()
        #expect(server.isReadingPaused)
        rig.advance(.seconds(10))
        for _ in 0..<40 { rig.advance(.milliseconds(100)) }
        #expect(!server.isReadingPaused)
        let sent = server.taken()
        #expect(sent.count == 30, "the first answer goes with the first request")
        #expect(sent.last == "Cluster n=29")
    }

    @Test func aServerThatDoesNotReadIsNotSentMore() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.isBackedUp = true
        server.connect()
        rig.turn()
        #expect(server.taken() == [])
        server.drain()
        rig.turn()
        #expect(server.taken() == ["Cluster [] node=me"])
    }

    @Test func theFirstAnswerIsNotWaitedForForEver() throws {
        let rig = try Rig()
        let (watcher, patient, quick) = (RecordingWatcher(), RecordingWatcher(), RecordingWatcher())
        var source = ConfigSourceSpec(.aggregated)
        source.initialFetchTimeout = .seconds(3)
        rig.subscribe(.endpoints, "a", source: source, prefix: "a.", watcher: watcher)
        rig.subscribe(.endpoints, "c", source: source, prefix: "c.", watcher: quick)
        source.initialFetchTimeout = nil
        rig.subscribe(.endpoints, "b", source: source, prefix: "b.", watcher: patient)
        let server = try rig.transport()
        server.connect()
        server.answer(Rig.whole(.endpoints, "1", "n1", "c"))
        rig.advance(.milliseconds(2990))
        #expect(watcher.missing == 0)
        rig.advance(.milliseconds(20))
        #expect(watcher.missing == 1)
        #expect(quick.missing == 0)
        #expect(rig.stat("a.init_fetch_timeout") == 1)
        #expect(rig.stat("c.init_fetch_timeout") == 0)
        server.answer(Rig.whole(.endpoints, "2", "n2", "a"))
        #expect(watcher.taken() == ["+a@2 v=2"], "an answer that comes late is an answer")
        rig.advance(.hours(1))
        #expect(patient.missing == 0)
    }

    @Test func tooManyResourcesAreRefusedBeforeTheyAreRead() throws {
        var limits = ControlPlaneLimitsSpec()
        limits.maxResources = 2
        let rig = try Rig(limits: limits)
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        _ = server.taken()
        server.answer(Rig.whole(.clusters, "1", "n1", "a", "b", "c"))
        rig.turn()
        #expect(
            server.taken() == [
                "Cluster [] n=n1 NACK 13: the response has 3 resources, and 2 is the limit"
                    + " (outrider.control_plane.max_resources) node=me"
            ])
        #expect(rig.stat("control_plane.too_many_resources") == 1)
        #expect(watcher.taken() == [])
        server.answer(Rig.whole(.clusters, "2", "n2", "a", "b"))
        #expect(watcher.taken() == ["+a@2,b@2 v=2 whole"])
    }

    @Test func aResponseOverItsLimitEndsTheStream() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        server.end("too long", isOverLimit: true)
        #expect(rig.stat("control_plane.response_too_large") == 1)
        rig.advance(.seconds(1))
        #expect(server.opened.count == 2)
    }

    @Test func rubbishEndsTheStreamAndNothingElse() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        for rubbish in [[0xff], [0x0a, 0x7f], [0x12, 0x02, 0x0a, 0x05], [0x07, 0x01]] as [[UInt8]] {
            server.connect()
            server.answer(rubbish)
            #expect(!server.isOpen)
            rig.advance(.seconds(31))
            #expect(server.isOpen)
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            server.connect()
            server.answer((0..<Int.random(in: 0..<60, using: &random)).map { _ in UInt8.random(in: 0...255) })
            rig.advance(.seconds(31))
        }
        #expect(watcher.taken() == [])
    }

    @Test func aStreamOfItsOwnPerTypeAndSource() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        let grpc = ConfigSourceSpec(.grpc(GRPCSourceSpec(cluster: "other")))
        var delta = GRPCSourceSpec(cluster: "other")
        delta.isDelta = true
        let one = rig.subscribe(.endpoints, "a", source: grpc, watcher: watcher)
        let two = rig.subscribe(.endpoints, "b", source: grpc, watcher: watcher)
        rig.subscribe(.routes, "r", source: grpc, watcher: watcher)
        rig.subscribe(.endpoints, "c", source: ConfigSourceSpec(.grpc(delta)), watcher: watcher)
        #expect(rig.streamCount == 3)
        let server = try rig.transport()
        #expect(server.opened == ["/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints"])
        #expect(try rig.transport(1).opened == ["/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes"])
        #expect(try rig.transport(2).opened == ["/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints"])
        server.connect()
        rig.turn()
        #expect(server.taken() == ["ClusterLoadAssignment [a,b] node=me"])
        #expect(rig.stat("control_plane.connected_state") == 0, "not all of them are up")
        try rig.transport(1).connect()
        try rig.transport(2).connect()
        #expect(rig.stat("control_plane.connected_state") == 1)
        one.close()
        two.close()
        rig.turn()
        #expect(!server.isOpen)
        #expect(try rig.transport(1).isOpen)
        #expect(rig.stat("control_plane.connected_state") == 1)
    }

    @Test func versionsAreShownAsEnvoyShowsThem() throws {
        // What an Envoy 1.40 showed in `version` beside these texts.
        #expect(XXHash64.hash("v1") == 9_194_640_092_791_331_756)
        #expect(XXHash64.hash("e1") == 375_412_022_058_588_663)
        #expect(XXHash64.hash("") == 0xEF46_DB37_51D8_E999)
        #expect(XXHash64.hash(String(repeating: "0123456789", count: 10)) == 17_874_359_856_083_435_514)
        #expect(XXHash64.hash(String(repeating: "0123456789", count: 3) + "ab") == 17_339_143_615_515_088_247)
        let rig = try Rig()
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        server.answer(Rig.whole(.clusters, "v1", "n") { $0.controlPlane.identifier = "cp-7" })
        #expect(rig.stat("sub.version") == 9_194_640_092_791_331_756)
        #expect(rig.stat("sub.update_time") == 1_704_067_200_000)
        let text = rig.text
        #expect(text.contains("sub.version_text: \"v1\""))
        #expect(text.contains("control_plane.identifier: \"cp-7\""))
    }
}

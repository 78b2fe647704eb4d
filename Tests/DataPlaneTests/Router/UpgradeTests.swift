// Upgrades and CONNECT: who may, what becomes a tunnel, how it ends.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct UpgradeTests {
    private let fields = ["connection: Upgrade", "upgrade: websocket"]

    @Test func upgradesNobodyAllowsAre403() throws {
        let rig = try HTTPRig()
        let exchange = rig.request("GET", "/", fields)
        #expect(exchange.status == 403 && exchange.closesAfter)
        #expect(exchange.body == "upgrade not allowed: upgrade_configs has no 'websocket'")
        #expect(rig.stat("http.in.downstream_rq_ws_on_non_ws_route") == 1)
        #expect(rig.app.tries.isEmpty)
    }

    @Test func theRouteCountsBeforeTheManager() throws {
        let refused = try HTTPRig(
            settings: { $0.upgrades = [UpgradeSpec(name: "websocket")] },
            route: { $0.upgrades = [UpgradeSpec(name: "WebSocket", enabled: false)] })
        #expect(refused.request("GET", "/", fields).status == 403)
        let allowed = try HTTPRig(route: { $0.upgrades = [UpgradeSpec(name: "websocket")] })
        allowed.request("GET", "/", fields)
        #expect(allowed.app.last?.value("upgrade") == "websocket")
    }

    @Test func aTunnelCarriesBytesAndHalfCloses() throws {
        let rig = try HTTPRig { $0.upgrades = [UpgradeSpec(name: "websocket")] }
        let exchange = rig.request("GET", "/", fields)
        let seen = try #require(rig.app.last)
        seen.answer(101, ["upgrade: websocket", "connection: Upgrade"], end: false)
        #expect(exchange.status == 101 && exchange.isTunnel && seen.isTunnel && !exchange.closesAfter)
        #expect(exchange.value("upgrade") == "websocket")
        #expect(rig.stat("http.in.downstream_cx_upgrades_active") == 1)
        // The route's timeout does not end a tunnel.
        rig.pass(.seconds(60))
        exchange.send("ping")
        seen.send("pong")
        #expect(seen.body == "ping" && exchange.body == "pong")
        seen.send("", end: true)
        #expect(rig.stat("http.in.downstream_rq_active") == 1)
        exchange.send("bye", end: true)
        #expect(seen.body == "pingbye" && seen.ended && !seen.cancelled)
        #expect(rig.stat("http.in.downstream_rq_active") == 0)
        #expect(rig.stat("http.in.downstream_cx_upgrades_active") == 0)
    }

    @Test func tunnelsEndWhenTheClientEndsFirst() throws {
        let route = RouteSpec(
            match: RouteMatchSpec(path: .connect), action: .forward(ForwardSpec(target: .cluster("app"))))
        let rig = try HTTPRig(routes: [route]) { $0.upgrades = [UpgradeSpec(name: "CONNECT")] }
        let exchange = rig.request("CONNECT", "", host: "a:443")
        let seen = try #require(rig.app.last)
        seen.answer(200, [], end: false)
        #expect(exchange.isTunnel)
        exchange.send("x", end: true)
        #expect(seen.ended)
        seen.send("y", end: true)
        #expect(exchange.body == "y" && !seen.cancelled)
        #expect(rig.stat("http.in.downstream_rq_active") == 0)
    }

    @Test func idleTunnelsAreEnded() throws {
        let rig = try HTTPRig {
            $0.upgrades = [UpgradeSpec(name: "websocket")]
            $0.streamIdleTimeout = .seconds(10)
        }
        let exchange = rig.request("GET", "/", fields)
        rig.app.last?.answer(101, ["upgrade: websocket", "connection: Upgrade"], end: false)
        rig.pass(.milliseconds(10_001))
        #expect(exchange.wasReset && rig.app.last?.cancelled == true)
    }

    @Test func aRefusedUpgradeClosesTheConnection() throws {
        let rig = try HTTPRig { $0.upgrades = [UpgradeSpec(name: "websocket")] }
        let exchange = rig.request("GET", "/", fields)
        rig.app.last?.answer(200, ["content-length: 2"], "no")
        // What the client sent ahead must not be read as a request.
        #expect(exchange.status == 200 && exchange.closesAfter && !exchange.isTunnel)
    }
}

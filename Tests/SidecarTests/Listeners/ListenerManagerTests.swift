// Listeners that come, change and go while they are used.
import DataPlane
import Reactor
import TestKit
import Testing

@testable import Sidecar

@Suite struct ListenerManagerTests {
    @Test func aNewListenerServesAndARemovedOneDrains() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let address = try rig.address(of: "a")
        #expect(rig.answer(at: address) == "one")
        #expect(rig.stat("listener_manager.listener_added") == 1)
        #expect(rig.stat("listener_manager.listener_create_success") == 2)
        #expect(rig.gauge("total_listeners_active") == 1)

        let caller = rig.call(address)
        #expect(caller.ask() == "one")
        #expect(rig.manager.remove("a"))
        rig.loop.turnWhileBusy()
        #expect(rig.stat("listener_manager.listener_removed") == 1)
        #expect(rig.gauge("total_listeners_active") == 0)
        #expect(rig.gauge("total_listeners_draining") == 1)
        #expect(rig.call(address).isClosed)
        // Its connections are asked to go, and not cut off.
        #expect(!caller.isClosed)
        #expect(caller.ask() == "one")
        rig.loop.turnWhileBusy()
        #expect(caller.text.contains("connection: close"))
        #expect(caller.isClosed)
        // Nothing is left to wait for.
        caller.connection.close()
        rig.loop.turnWhileBusy()
        rig.pass(.milliseconds(250))
        #expect(rig.gauge("total_listeners_draining") == 0)
        #expect(!rig.manager.remove("a"))
    }

    @Test func whatIsLeftWhenTheDrainTimeIsOverIsClosed() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let caller = rig.call(try rig.address(of: "a"))
        #expect(caller.ask() == "one")
        #expect(rig.manager.remove("a"))
        rig.pass(ListenerRig.drainTime - .seconds(1))
        #expect(!caller.isClosed)
        #expect(rig.gauge("total_listeners_draining") == 1)
        rig.passDrain()
        #expect(caller.isClosed)
        #expect(rig.gauge("total_listeners_draining") == 0)
        #expect(rig.workers.allSatisfy { $0.worker.listeners.isEmpty })
    }

    /// The workers accept before the main thread knows that they do.
    @Test(arguments: [true, false]) func whoCameWhileAListenerStartedIsServed(isReplaced: Bool) throws {
        let rig = try ListenerRig()
        try rig.manager.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        rig.loop.turn(until: {
            rig.manager.warming.contains { if case .starting = $0.stage { true } else { false } }
        })
        let starting = try #require(rig.manager.warming.first)
        rig.loop.turn(until: { rig.workers.allSatisfy { !$0.worker.listeners.isEmpty } })
        #expect(starting.stage != .serving)
        let caller = Caller(starting.sockets.localAddresses[0], rig.loop, waits: false)
        if isReplaced {
            try rig.put(ListenerRig.listener("a", [ListenerRig.chain("two")], version: 2))
        } else {
            #expect(rig.manager.remove("a"))
            rig.loop.turnWhileBusy()
        }
        #expect(starting.stage == .serving)
        #expect((isReplaced ? ["one", "two"] : ["one"]).contains(caller.ask()))
        caller.connection.close()
        if isReplaced { #expect(rig.answer(at: try rig.address(of: "a")) == "two") }
        #expect(rig.gauge("total_listeners_warming") == 0)
    }

    @Test func anUpdateTakesTheSocketsOver() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let address = try rig.address(of: "a")
        let before = rig.call(address)
        #expect(before.ask() == "one")
        // Who is in the accept queue when the update comes is served, too.
        let waiting = RecordingDelegate()
        let connection = Connection.connect(to: address, loop: rig.loop, delegate: waiting)
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("two")], version: 2))
        #expect(try rig.address(of: "a") == address)
        #expect(rig.answer(at: address) == "two")
        rig.loop.turnWhileBusy()
        #expect(waiting.established == 1 && waiting.closed == nil && !waiting.sawEnd)
        connection.close()
        #expect(rig.stat("listener_manager.listener_modified") == 1)
        #expect(rig.stat("listener_manager.listener_in_place_updated") == 0)
        #expect(rig.gauge("total_listeners_draining") == 1)
        #expect(before.ask() == "one")
        #expect(before.text.contains("connection: close"))
        rig.passDrain()
        #expect(rig.gauge("total_listeners_draining") == 0)
        #expect(rig.gauge("total_listeners_active") == 1)
        // The stats are those of the name.
        #expect(rig.stat("listener.a.downstream_cx_total") == 3)
        #expect(rig.answer(at: address) == "two")
    }

    @Test func onlyConnectionsOfChangedChainsDrain() throws {
        let rig = try ListenerRig()
        let kept = ListenerRig.chain("kept", name: "kept")
        try rig.put(ListenerRig.listener("a", [kept]) { $0.defaultFilterChain = ListenerRig.chain("never") })
        let address = try rig.address(of: "a")
        let caller = rig.call(address)
        #expect(caller.ask() == "kept")
        // The chain now is for another port, and those who come get a chain of their own.
        let elsewhere = ListenerRig.chain("elsewhere", port: 1, name: "elsewhere")
        try rig.put(ListenerRig.listener("a", [kept, elsewhere]))
        #expect(rig.stat("listener_manager.listener_in_place_updated") == 1)
        #expect(rig.gauge("total_filter_chains_draining") == 1)
        #expect(rig.gauge("total_listeners_draining") == 0)
        #expect(caller.ask() == "kept")
        #expect(!caller.text.contains("connection: close"))
        rig.pass(.milliseconds(250))
        #expect(rig.gauge("total_filter_chains_draining") == 0)

        let newer = ListenerRig.chain("newer", name: "newer")
        try rig.put(ListenerRig.listener("a", [newer, elsewhere]))
        #expect(rig.answer(at: address) == "newer")
        #expect(rig.gauge("total_filter_chains_draining") == 1)
        #expect(caller.ask() == "kept")
        #expect(caller.text.contains("connection: close"))
        rig.loop.turnWhileBusy()
        #expect(caller.isClosed)
        caller.connection.close()
        rig.loop.turnWhileBusy()
        rig.pass(.milliseconds(250))
        #expect(rig.gauge("total_filter_chains_draining") == 0)
    }

    @Test func aTunnelOfAnUnchangedChainGoesOnAndOneOfARemovedChainHasTheDrainTime() throws {
        let rig = try ListenerRig(hasApp: true)
        let app = try #require(rig.app)
        app.answer("pong")
        func tunnel(_ idle: Int64) -> FilterChainSpec {
            var spec = TCPProxySpec(statPrefix: "t", clusters: [.init(name: "app")])
            spec.idleTimeout = .seconds(idle)
            var chain = FilterChainSpec(filter: .tcp(spec))
            chain.identity = ContentDigest(Array("tunnel/\(idle)".utf8))
            return chain
        }
        try rig.put(ListenerRig.listener("a", [tunnel(1000)]))
        let caller = rig.call(try rig.address(of: "a"))
        #expect(caller.exchange("ping\r\n\r\n") == "pong")
        try rig.put(ListenerRig.listener("a", [tunnel(1000), ListenerRig.chain("http", port: 1)]))
        rig.passDrain()
        #expect(caller.exchange("ping\r\n\r\n") == "pong")
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("http")]))
        #expect(rig.gauge("total_filter_chains_draining") == 2)
        rig.pass(ListenerRig.drainTime - .seconds(1))
        #expect(caller.exchange("ping\r\n\r\n") == "pong")
        rig.passDrain()
        #expect(caller.isClosed)
        #expect(rig.gauge("total_filter_chains_draining") == 0)
        #expect(rig.stat("tcp.t.downstream_cx_active") == 0)
    }

    @Test func anotherAddressIsBoundAnew() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let first = try rig.address(of: "a")
        let caller = rig.call(first)
        #expect(caller.ask() == "one")
        try rig.put(
            ListenerRig.listener(
                "a", [ListenerRig.chain("two")], version: 2, address: .v6(.loopback, scope: 0, port: 0)))
        let second = try rig.address(of: "a")
        #expect(second != first)
        #expect(rig.answer(at: second) == "two")
        #expect(rig.call(first).isClosed)
        #expect(caller.ask() == "one")
        #expect(caller.text.contains("connection: close"))
    }

    @Test func aListenerThatCannotBeBoundChangesNothing() throws {
        let rig = try ListenerRig()
        let other = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: rig.loop)
        defer { other.close() }
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let address = try rig.address(of: "a")
        #expect(throws: ListenerError.self) {
            try rig.put(
                ListenerRig.listener("a", [ListenerRig.chain("two")], version: 2, address: other.localAddress))
        }
        #expect(throws: ListenerError.self) {
            try rig.put(ListenerRig.listener("b", [ListenerRig.chain("two")], address: other.localAddress))
        }
        #expect(rig.answer(at: address) == "one")
        #expect(rig.gauge("total_listeners_active") == 1)
        #expect(rig.gauge("total_listeners_warming") == 0)
        #expect(rig.stat("listener_manager.listener_modified") == 0)
        #expect(rig.stat("listener_manager.listener_added") == 1)
    }

    @Test func anAddressBelongsToOneListener() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let address = try rig.address(of: "a")
        try rig.put(ListenerRig.listener("b", [ListenerRig.chain("two")], address: .v4(.loopback, port: 0)))
        // "a" was bound to port 0, and so has no address to clash with; a fixed one is clashed with.
        #expect(rig.manager.remove("a"))
        let fixed = ListenerRig.listener("c", [ListenerRig.chain("three")], address: address)
        try rig.put(fixed)
        #expect(rig.answer(at: address) == "three")
        do throws(ListenerError) {
            try rig.manager.put(ListenerRig.listener("d", [ListenerRig.chain("four")], address: address))
            Issue.record("two listeners have one address")
        } catch {
            #expect(error.description == "\(address) is already the address of listener 'c'")
        }
    }

    @Test func aListenerMayTakeTheAddressOfOneThatWasJustRemoved() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]) { $0.enableReusePort = false })
        let address = try rig.address(of: "a")
        // Bound to the port by its number, as a file does.
        #expect(rig.manager.remove("a"))
        rig.loop.turnWhileBusy()
        try rig.put(
            ListenerRig.listener("b", [ListenerRig.chain("two")], address: address) { $0.enableReusePort = false })
        // The workers have had no turn between the two.
        #expect(rig.manager.remove("b"))
        try rig.put(
            ListenerRig.listener("c", [ListenerRig.chain("three")], address: address) { $0.enableReusePort = false })
        #expect(rig.answer(at: address) == "three")
        // And none of the sockets between is left open.
        #expect(rig.manager.remove("c"))
        rig.loop.turnWhileBusy()
        #expect(rig.call(address).isClosed)
    }

    @Test func reusePortStaysAsItIs() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        #expect(throws: ListenerError.self) {
            try rig.put(
                ListenerRig.listener("a", [ListenerRig.chain("two")], version: 2) { $0.enableReusePort = false })
        }
    }

    @Test func anUpdateWhileTheEarlierOneIsWarmingReplacesIt() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let address = try rig.address(of: "a")
        try rig.put(
            ListenerRig.listener("a", [ListenerRig.chain(subscribed: ListenerRig.subscription("r"))], version: 2))
        var isWarm = false
        rig.manager.whenWarm { isWarm = true }
        #expect(rig.gauge("total_listeners_warming") == 1)
        #expect(rig.answer(at: address) == "one")
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("three")], version: 3))
        #expect(isWarm)
        #expect(rig.gauge("total_listeners_warming") == 0)
        #expect(rig.answer(at: address) == "three")
        #expect(rig.wanted.map(\.added) == [["r"], []])
        #expect(rig.wanted.map(\.removed) == [[], ["r"]])
        rig.passDrain()
        #expect(rig.workers.allSatisfy { $0.worker.listeners.count == 1 })
    }

    @Test func aListenerThatAWorkerCannotBuildIsRejected() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let address = try rig.address(of: "a")
        var isWarm = false
        var spec = ListenerRig.listener("a", [ListenerRig.chain("two")], version: 2)
        spec.accessLogs = [AccessLogSpec(sink: .file(path: "/nowhere/at/all"))]
        try rig.manager.put(spec)
        rig.manager.whenWarm { isWarm = true }
        rig.loop.turnWhileBusy()
        #expect(isWarm)
        #expect(rig.rejected == ["a"])
        #expect(rig.stat("listener_manager.listener_create_failure") == 1)
        #expect(rig.gauge("total_listeners_warming") == 0)
        #expect(rig.answer(at: address) == "one")
        #expect(rig.gauge("total_listeners_draining") == 0)
    }

    @Test func listenersStartTogetherAndInTheirOrder() throws {
        let rig = try ListenerRig(starts: false)
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        try rig.put(ListenerRig.listener("b", [ListenerRig.chain("two")]))
        var isWarm = false
        rig.manager.whenWarm { isWarm = true }
        #expect(rig.gauge("total_listeners_active") == 0)
        rig.manager.start()
        rig.loop.turnWhileBusy()
        #expect(isWarm)
        #expect(rig.manager.sockets.map(\.spec.name) == ["a", "b"])
    }

    @Test func aProcessThatDrainsTakesNoListener() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain(subscribed: ListenerRig.subscription("r"))]))
        rig.manager.close()
        #expect(rig.gauge("total_listeners_warming") == 0)
        #expect(throws: ListenerError.self) { try rig.put(ListenerRig.listener("b", [ListenerRig.chain("one")])) }
    }

    @Test func whatWasToldToAllListenersHoldsForThoseThatComeLater() throws {
        let rig = try ListenerRig()
        rig.manager.beginDrain { _ in true }
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let draining = rig.call(try rig.address(of: "a"))
        #expect(draining.ask() == "one")
        #expect(draining.text.contains("connection: close"))
        rig.manager.cancelDrain()
        rig.loop.turnWhileBusy()
        let caller = rig.call(try rig.address(of: "a"))
        #expect(caller.ask() == "one")
        #expect(!caller.text.contains("connection: close"))
        rig.manager.stop { $0.direction == .inbound }
        try rig.put(ListenerRig.listener("b", [ListenerRig.chain("two")]) { $0.direction = .inbound })
        #expect(rig.call(try rig.address(of: "b")).isClosed)
        #expect(rig.manager.offer.count == 1)
    }

    @Test func aDrainedListenerTakesNoMemory() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let address = try rig.address(of: "a")
        #expect(rig.call(address).ask() == "one")
        let old = rig.workers.map { WeakListener($0.worker.listeners.first) }
        #expect(old.allSatisfy { $0.listener != nil })
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("two")], version: 2))
        rig.passDrain()
        #expect(old.allSatisfy { $0.listener == nil })
    }

    private struct WeakListener {
        weak var listener: Listener?
        init(_ listener: Listener?) { self.listener = listener }
    }
}

// Routes that come by subscription: who waits for them, and who sees the new ones.
import DataPlane
import Reactor
import TestKit
import Testing

@testable import Sidecar

@Suite struct RouteSubscriptionTests {
    private let subscription = ListenerRig.subscription("r")

    @Test func aListenerAcceptsOnceItsRoutesAreThere() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain(subscribed: subscription)]))
        #expect(rig.wanted.map(\.added) == [["r"]])
        #expect(rig.gauge("total_listeners_warming") == 1)
        #expect(rig.manager.sockets.isEmpty)
        rig.manager.assign(ListenerRig.routes("r", "one"), to: subscription)
        rig.loop.turnWhileBusy()
        #expect(rig.gauge("total_listeners_warming") == 0)
        #expect(rig.answer(at: try rig.address(of: "a")) == "one")
    }

    @Test func aListenerWhoseRoutesDoNotComeFindsNone() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain(subscribed: subscription)]))
        rig.manager.assign(nil, to: subscription)
        rig.loop.turnWhileBusy()
        let caller = rig.call(try rig.address(of: "a"))
        #expect(caller.ask() == "404")
        // When they come after all, no connection is touched.
        rig.manager.assign(ListenerRig.routes("r", "late"), to: subscription)
        rig.loop.turnWhileBusy()
        #expect(caller.ask() == "late")
    }

    @Test func theNextRequestOfAConnectionSeesNewRoutes() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain(subscribed: subscription)]))
        try rig.put(ListenerRig.listener("b", [ListenerRig.chain(subscribed: subscription)]))
        #expect(rig.wanted.count == 1)
        rig.manager.assign(ListenerRig.routes("r", "one"), to: subscription)
        rig.loop.turnWhileBusy()
        let callers = [rig.call(try rig.address(of: "a")), rig.call(try rig.address(of: "b"))]
        #expect(callers.map { $0.ask() } == ["one", "one"])
        rig.manager.assign(ListenerRig.routes("r", "two"), to: subscription)
        rig.loop.turnWhileBusy()
        #expect(callers.map { $0.ask() } == ["two", "two"])
        // As in Envoy, what was removed stays in use.
        rig.manager.assign(nil, to: subscription)
        rig.loop.turnWhileBusy()
        #expect(callers.map { $0.ask() } == ["two", "two"])
    }

    @Test func anUpdateWithKnownRoutesWaitsForNothing() throws {
        let rig = try ListenerRig()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain(subscribed: subscription)]))
        rig.manager.assign(ListenerRig.routes("r", "one"), to: subscription)
        rig.loop.turnWhileBusy()
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain(subscribed: subscription)], version: 2))
        #expect(rig.gauge("total_listeners_warming") == 0)
        #expect(rig.answer(at: try rig.address(of: "a")) == "one")
        // Another buffer limit needs a table of its own, from the answer that is known.
        try rig.put(
            ListenerRig.listener("a", [ListenerRig.chain(subscribed: subscription)], version: 3) {
                $0.perConnectionBufferLimit = 4096
            })
        #expect(rig.answer(at: try rig.address(of: "a")) == "one")
        rig.manager.assign(ListenerRig.routes("r", "two"), to: subscription)
        rig.loop.turnWhileBusy()
        #expect(rig.answer(at: try rig.address(of: "a")) == "two")
        #expect(rig.manager.remove("a"))
        #expect(rig.wanted.map(\.removed) == [[], ["r"]])
    }

    @Test func aChainThatWaitsLeavesTheOthersAlone() throws {
        let rig = try ListenerRig()
        let chain = ListenerRig.chain("plain")
        try rig.put(ListenerRig.listener("a", [chain]))
        let address = try rig.address(of: "a")
        let caller = rig.call(address)
        #expect(caller.ask() == "plain")
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain(subscribed: subscription)]))
        #expect(rig.gauge("total_listeners_warming") == 1)
        #expect(rig.answer(at: address) == "plain")
        rig.manager.assign(ListenerRig.routes("r", "one"), to: subscription)
        rig.loop.turnWhileBusy()
        #expect(rig.answer(at: address) == "one")
        #expect(caller.ask() == "plain")
        #expect(caller.text.contains("connection: close"))
    }
}

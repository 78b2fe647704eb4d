// Listeners that get what others have: connections by their destination, sockets of another process.
import DataPlane
import Reactor
import TestKit
import Testing

@testable import Sidecar

@Suite struct ListenerHandOnTests {
    @Test func redirectedConnectionsGoToTheListenersThatThereAre() throws {
        let rig = try ListenerRig()
        let destination = try #require(SocketAddress("192.0.2.1:80"))
        func virtual(_ answer: String, version: Int = 1) -> ListenerSpec {
            ListenerRig.listener("inner", [ListenerRig.chain(answer)], version: version, address: destination) {
                $0.bindToPort = false
            }
        }
        try rig.put(
            ListenerRig.listener("outer", [ListenerRig.chain("outer")]) {
                $0.filters = [ListenerFilterSpec(.proxyProtocol(ProxyProtocolSpec()))]
                $0.handsOnRedirected = true
            })
        let address = try rig.address(of: "outer")
        func answer() -> String {
            let caller = rig.call(address)
            caller.send("PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n")
            let answer = caller.ask()
            caller.connection.close()
            rig.loop.turnWhileBusy()
            return answer
        }
        #expect(answer() == "outer")
        try rig.put(virtual("inner"))
        #expect(answer() == "inner")
        try rig.put(virtual("newer", version: 2))
        #expect(answer() == "newer")
        #expect(rig.gauge("total_listeners_draining") == 1)
        // Of virtual listeners, too, only one is at an address.
        #expect(throws: ListenerError.self) {
            try rig.put(
                ListenerRig.listener("other", [ListenerRig.chain("other")], address: destination) {
                    $0.bindToPort = false
                })
        }
        #expect(rig.manager.remove("inner"))
        rig.loop.turnWhileBusy()
        #expect(answer() == "outer")
        rig.passDrain()
        #expect(answer() == "outer")
    }

    @Test func aListenerThatComesLaterTakesTheSocketOfAnotherProcess() throws {
        let other = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: try EventLoop(clock: TestClock()))
        defer { other.close() }
        var asked: [String] = []
        let rig = try ListenerRig { identity in
            asked.append(identity.address)
            return (try? other.duplicateDescriptor()).map { [$0] } ?? []
        }
        let spec = ListenerRig.listener("a", [ListenerRig.chain("one")], address: other.localAddress)
        try rig.put(spec)
        #expect(asked == [other.localAddress.description])
        #expect(rig.answer(at: other.localAddress) == "one")
        // What it gives away in its turn is what an update has taken over.
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("two")], version: 2, address: other.localAddress))
        #expect(asked.count == 1)
        let offer = rig.manager.offer
        #expect(offer.map(\.identity.address) == asked)
        #expect(offer.flatMap(\.descriptors).count == 2)
        for descriptor in offer.flatMap(\.descriptors) {
            #expect(try ListeningSocket.address(of: descriptor) == other.localAddress)
        }
    }

    @Test func aGradualDrainAsksNobodyToGoAtOnce() throws {
        let rig = try ListenerRig(isGradual: true)
        try rig.put(ListenerRig.listener("a", [ListenerRig.chain("one")]))
        let caller = rig.call(try rig.address(of: "a"))
        #expect(rig.manager.remove("a"))
        rig.loop.turnWhileBusy()
        #expect(caller.ask() == "one")
        #expect(!caller.text.contains("connection: close"))
        rig.pass(ListenerRig.drainTime)
        #expect(caller.ask() == "one")
        #expect(caller.text.contains("connection: close"))
    }
}

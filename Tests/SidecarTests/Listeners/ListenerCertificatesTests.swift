// TLS contexts of listeners that change: whose they are, and who gets a new one.
import DataPlane
import Reactor
import TestKit
import Testing

@testable import Sidecar

@Suite struct ListenerCertificatesTests {
    private let certificates: TestCertificates

    init() throws { certificates = try TestCertificates() }

    private func context(_ name: String) throws -> TLSContextSpec {
        certificates.serverSpec(try certificates.server(name))
    }

    private func chain(_ answer: String, port: UInt16? = nil, _ tls: TLSContextSpec) -> FilterChainSpec {
        var chain = ListenerRig.chain(answer, port: port, name: answer)
        chain.tls = tls
        return chain
    }

    private func owner(_ chain: FilterChainSpec) throws -> TLSContextOwner {
        .filterChain(listener: "a", chain: try #require(chain.identity))
    }

    @Test func anUnchangedChainKeepsWhatItsFilesHaveNow() throws {
        let rig = try ListenerRig()
        let kept = chain("kept", try context("first"))
        let gone = chain("gone", port: 1, try context("gone"))
        try rig.put(ListenerRig.listener("a", [kept, gone]))
        #expect(rig.certificates.all.count == 2)
        // Its files change.
        let renewed = try context("second")
        for worker in rig.workers {
            let replacement = try TLSReplacement(renewed, for: try owner(kept))
            worker.perform { $0.replaceTLS(replacement) }
        }
        try rig.certificates.replace(renewed, of: try owner(kept))
        // Then the listener does, and brings the chain as it was read before.
        try rig.put(ListenerRig.listener("a", [kept]))
        #expect(rig.stat("listener_manager.listener_in_place_updated") == 1)
        #expect(rig.certificates.all == [renewed])
        #expect(rig.ownersGone == [try owner(gone)])
        #expect(try subject(rig) == "second")
        #expect(rig.manager.remove("a"))
        #expect(rig.ownersGone == [try owner(gone), try owner(kept)])
        #expect(rig.certificates.all.isEmpty)
    }

    @Test func aListenerThatIsWarmingGetsNewContextsToo() throws {
        let rig = try ListenerRig()
        let first = chain("one", try context("first"))
        try rig.put(ListenerRig.listener("a", [first]))
        let waiting = ListenerRig.subscription("r")
        var subscribed = ListenerRig.chain(subscribed: waiting)
        subscribed.match.destinationPort = 1
        try rig.put(ListenerRig.listener("a", [first, subscribed], version: 2))
        let renewed = try context("second")
        for worker in rig.workers {
            let replacement = try TLSReplacement(renewed, for: try owner(first))
            worker.perform { $0.replaceTLS(replacement) }
        }
        try rig.certificates.replace(renewed, of: try owner(first))
        #expect(try subject(rig) == "second")
        rig.manager.assign(nil, to: waiting)
        rig.loop.turnWhileBusy()
        #expect(rig.gauge("total_listeners_warming") == 0)
        #expect(try subject(rig) == "second")
        #expect(rig.ownersGone.isEmpty)
    }

    /// Whose certificate a new connection sees.
    private func subject(_ rig: ListenerRig) throws -> String? {
        let side = RecordingDelegate()
        let connection = Connection.connect(
            to: try rig.address(of: "a"), loop: rig.loop, tls: try TLSContext.client(TLSContextSpec()), delegate: side)
        defer {
            connection.close()
            rig.loop.turnWhileBusy()
        }
        rig.loop.turn(until: { side.established > 0 || side.closed != nil }, limit: .seconds(5))
        return connection.tls?.peer?.dnsNames.first
    }
}

// Who speaks first at which destination, and for how long that is remembered.
import Metrics
import Reactor
import Testing

@testable import DataPlane

@Suite struct ServerFirstTests {
    private let here = SocketAddress.v4(.loopback, port: 3306)
    private let start = MonotonicTime(ns: 1_000_000_000)

    private func made(ports: Set<UInt16> = []) -> ServerFirst {
        var spec = ServerFirstSpec()
        spec.ports = ports
        return ServerFirst(spec, prefix: "listener.l.", cells: StatStore(options: StatOptions()).makeCells())
    }

    @Test func portsAreDeclared() {
        let known = made(ports: [25, 3306])
        #expect(known.isDeclared(here))
        #expect(!known.isDeclared(here.with(port: 80)))
        #expect(!known.isDeclared(.unix(path: "/x")))
    }

    @Test func aDestinationIsAskedAtOnceUntilItsClientsSpeak() {
        var known = made()
        #expect(known.patience(for: here, now: start) == .zero)
        known.learn(here, clientSpoke: true, now: start)
        #expect(known.patience(for: here, now: start) == ServerFirst.patience)
        #expect(known.patience(for: here.with(port: 80), now: start) == .zero)
        #expect(known.patience(for: here, now: start + ServerFirst.lifetime) == .zero)
        known.learn(here, clientSpoke: false, now: start)
        #expect(known.patience(for: here, now: start) == .zero)
    }

    @Test func whatIsRememberedIsBounded() {
        var known = made()
        for port in 0..<UInt16(ServerFirst.capacity) {
            known.learn(here.with(port: port), clientSpoke: true, now: start)
        }
        #expect(known.patience(for: here.with(port: 0), now: start) == ServerFirst.patience)
        known.learn(here.with(port: 60000), clientSpoke: true, now: start)
        #expect(known.patience(for: here.with(port: 0), now: start) == .zero)
        #expect(known.patience(for: here.with(port: 60000), now: start) == ServerFirst.patience)
    }
}

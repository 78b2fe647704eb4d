// Hosts that do not count where the share of healthy hosts is told.
import Reactor
import Testing

@testable import DataPlane

@Suite struct ExcludedHostsTests {
    private func load(_ flags: [HostHealthFlags]) -> PriorityLoad {
        let hosts = flags.enumerated().map {
            Host(address: .v4(.loopback, port: UInt16($0.offset + 1)), flags: $0.element)
        }
        return PriorityLoad(HostSet(hosts).priorities, panicThreshold: 50, overprovisioning: 140)
    }

    private let pending: HostHealthFlags = [.failedActiveHealthCheck, .pendingActiveHealthCheck]

    @Test func newHostsDoNotMakeThePanic() {
        #expect(load([[], .failedActiveHealthCheck, .failedActiveHealthCheck]).panic == [true])
        #expect(load([[], pending, pending]).panic == [false])
        #expect(load([[], pending, .failedActiveHealthCheck, .failedActiveHealthCheck]).panic == [true])
    }

    @Test func withNobodyThatCountsThereIsPanic() {
        #expect(load([pending, pending]).panic == [true])
    }

    @Test func setsTellHowMany() {
        let set = HostSet([
            Host(address: .v4(.loopback, port: 1)), Host(address: .v4(.loopback, port: 2), flags: pending),
        ])
        #expect(set.excludedCount == 1)
        #expect(set.priorities[0].counted == 1)
    }
}

// Routes that are replaced while requests are under way.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

@Suite struct RouteBookTests {
    private func table(_ action: RouteActionSpec, internalOnly: [String] = []) throws -> RouteTable {
        let route = RouteSpec(match: RouteMatchSpec(path: .prefix("/")), action: action)
        var spec = RouteConfigurationSpec()
        spec.internalOnlyHeaders = internalOnly
        spec.virtualHosts = [VirtualHostSpec(name: "v", domains: ["*"], routes: [route])]
        return try RouteTable(spec, clusterIndex: { $0 == "app" ? 0 : nil })
    }

    @Test func aRequestUnderWayKeepsItsRoute() throws {
        let rig = try HTTPRig(route: { $0.timeout = .seconds(7) })
        let first = rig.request("POST", "/", end: false)
        #expect(rig.app.last?.hasHead == true)
        rig.routeBook.replace(try table(.direct(DirectResponseSpec(status: 418))))
        // The next request of the connection sees the new table.
        #expect(rig.request().status == 418)
        #expect(first.status == 0)
        // The timeout is the old route's.
        first.send("x", end: true)
        rig.pass(.seconds(6))
        #expect(first.status == 0)
        rig.pass(.seconds(1))
        #expect(first.status == 504)
    }

    @Test func headersForInternalClientsAreThoseOfTheTableThatServes() throws {
        let rig = try HTTPRig()
        rig.request("GET", "/", ["x-secret: 1"])
        #expect(rig.app.last?.value("x-secret") == "1")
        rig.routeBook.replace(
            try table(.forward(ForwardSpec(target: .cluster("app"))), internalOnly: ["x-secret"]))
        rig.request("GET", "/", ["x-secret: 1"])
        #expect(rig.app.last?.hasHead == true)
        #expect(rig.app.last?.value("x-secret") == nil)
    }
}

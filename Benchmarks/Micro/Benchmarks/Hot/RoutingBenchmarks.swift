// Choosing a route among a few and among many.
import Benchmark
import DataPlane
import HTTPWire
import Reactor

private func table(routes count: Int) -> RouteTable {
    let routes = (0..<count).map { number in
        RouteSpec(
            match: RouteMatchSpec(path: .prefix("/service-\(number)/")),
            action: .direct(DirectResponseSpec(status: 200)))
    }
    var spec = RouteConfigurationSpec()
    spec.virtualHosts = [
        VirtualHostSpec(name: "other", domains: ["*.example.org"], routes: []),
        VirtualHostSpec(name: "shop", domains: ["shop.example.com"], routes: routes),
    ]
    do { return try RouteTable(spec) } catch { fatalError("\(error)") }
}

func routingBenchmarks() {
    for count in [10, 1000, 10_000] {
        let table = table(routes: count)
        let request = HeaderMap()
        _ = request.setMethod(ByteView("GET"))
        request.setAuthority(ByteView("shop.example.com"))
        let path = FixedBytes("/service-\(count - 1)/items")
        withExtendedLifetime(path) { request.setPath(path.view) }
        measure("route-among-\(count)") { blackHole(table.route(request, random: 7)) }
    }
}

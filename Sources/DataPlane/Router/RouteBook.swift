// The routes that connection managers serve by at this moment.
import HTTPWire
import Metrics
import Reactor

/// A route table that can be replaced as a whole while requests come: those that have their route keep it, the next one
/// is looked up in the new table. One for each static route configuration of a worker, one for each RDS subscription
/// and buffer limit, however many connection managers share it. Loop thread only.
public final class RouteBook {
    @exclusivity(unchecked) private(set) var table: RouteTable
    /// Most tables name no header that only internal clients may send, and so nobody reaches for them.
    @exclusivity(unchecked) private(set) var hasInternalOnlyHeaders: Bool
    /// The filters that the routes were compiled with; nil: none looks at requests before the router.
    let filters: HTTPFilters?
    private let bufferLimit: Int
    private let cells: StatCells

    /// - Parameter bufferLimit: of the listeners, bytes: bounds what is kept of a request for its retries.
    init(_ table: RouteTable, bufferLimit: Int, cells: StatCells, filters: HTTPFilters? = nil) {
        self.table = table
        self.filters = filters
        hasInternalOnlyHeaders = table.hasInternalOnlyHeaders
        self.bufferLimit = bufferLimit
        self.cells = cells
        prepare(table)
    }

    /// The next request is looked up in `newer`.
    func replace(_ newer: RouteTable) {
        prepare(newer)
        table = newer
        hasInternalOnlyHeaders = newer.hasInternalOnlyHeaders
    }

    private func prepare(_ table: RouteTable) {
        // The stats of virtual clusters and routes go with the last table that names them.
        let cells = cells.held(by: cells.store.makeHold())
        var virtualClusters: [ObjectIdentifier: VirtualClusterFacts] = [:]
        for route in table.routes {
            guard case .forward(let action) = route.action else { continue }
            let host = ObjectIdentifier(route.virtualHost)
            if virtualClusters[host] == nil { virtualClusters[host] = VirtualClusterFacts(route.virtualHost, cells) }
            route.forwardFacts = ForwardFacts(
                route, action, bufferLimit: bufferLimit, cells, virtualClusters: virtualClusters[host])
        }
    }
}

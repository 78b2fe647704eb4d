// A listener as the main thread knows it: one `put`, from its sockets to its place among those that serve.
import DataPlane
import Reactor

/// Main thread only.
final class ManagedListener {
    enum Stage: Equatable {
        /// The workers have not been asked.
        case bound
        /// So many workers have not answered yet.
        case building(Int)
        case built
        case starting(Int)
        case serving
    }

    let id: ListenerID
    let name: String
    private let addresses: [SocketAddress]
    private let bindsToPort: Bool
    /// Not nil: its filter chains take the place of this listener's, which the workers know by that number.
    let running: ListenerID?
    /// Without virtual hosts once the workers have compiled them.
    var sockets: ListenerSockets
    /// The sockets that it has from a listener before it.
    let inherited: Set<SocketIdentity>
    var stage = Stage.bound
    /// Whose routes its connection managers serve by.
    let subscriptions: Set<RouteSubscriptionSpec>
    /// Those of them without an answer so far: until they have one, nothing is accepted.
    var missing: Set<RouteSubscriptionSpec> = []

    init(_ id: ListenerID, running: ListenerID?, sockets: ListenerSockets, inherited: Set<SocketIdentity>) {
        self.id = id
        name = sockets.spec.name
        addresses = sockets.spec.addresses.map(\.address)
        bindsToPort = sockets.spec.bindToPort
        self.running = running
        self.sockets = sockets
        self.inherited = inherited
        subscriptions = sockets.spec.routeSubscriptions
    }

    var spec: ListenerSpec { sockets.spec }
    /// What the workers know it by when it serves.
    var serving: ListenerID { running ?? id }

    /// Nothing is asked for that this one, serving, does not have, but for filter chains.
    func differsInChainsOnly(from other: ListenerSpec) -> Bool {
        // The TLS inspector that filter chains need and nobody listed is a change of the listener.
        spec.identity != nil && spec.identity == other.identity && spec.filters.count == other.filters.count
    }

    /// How many of its chains `newer` does not have.
    func chainCount(missingIn newer: ListenerSpec) -> Int {
        let matched = Set(newer.filterChains.compactMap(\.identity))
        var count = spec.filterChains.count { chain in chain.identity.map { !matched.contains($0) } ?? true }
        if let fallback = spec.defaultFilterChain,
            fallback.identity == nil || fallback.identity != newer.defaultFilterChain?.identity
        {
            count += 1
        }
        return count
    }

    /// The address that both would listen on; nil: there is none. As in Envoy, a virtual listener only clashes with
    /// another one.
    func commonAddress(with other: ListenerSpec) -> SocketAddress? {
        guard bindsToPort == other.bindToPort else { return nil }
        return other.addresses.lazy.map(\.address).first { [addresses] address in
            (address.isUnix || address.port != 0) && addresses.contains(address)
        }
    }
}

/// Why a listener is not taken.
enum ListenerError: Error, CustomStringConvertible {
    case socket(SystemError)
    case addressTaken(SocketAddress, by: String)
    case reusePortChanges
    /// The process is on its way out.
    case closed

    var description: String {
        switch self {
        case .socket(let error): error.description
        case .addressTaken(let address, let name): "\(address) is already the address of listener '\(name)'"
        case .reusePortChanges: "enable_reuse_port cannot be changed by an update"
        case .closed: "no listener is taken any more: the process is draining"
        }
    }
}

// The resolvers of all clusters: one for each different set of resolver settings.
import Reactor

/// Makes resolvers when a cluster needs one, and lets them go with the last. Main thread only.
final class SharedResolvers {
    /// What makes two resolvers different.
    private struct Key: Hashable {
        var resolvers: [SocketAddress]
        var useTCP: Bool
        var noDefaultSearchDomain: Bool

        init(_ dns: DNSSpec) {
            resolvers = dns.resolvers
            useTCP = dns.useTCP
            noDefaultSearchDomain = dns.noDefaultSearchDomain
        }
    }

    typealias Maker = (DNSSpec) throws(SystemError) -> any NameResolver

    private var known: [Key: (resolver: any NameResolver, users: Int)] = [:]
    private let make: Maker

    init(_ make: @escaping Maker) { self.make = make }

    /// The resolver of a cluster; to be given back.
    func take(_ dns: DNSSpec) throws(SystemError) -> any NameResolver {
        let key = Key(dns)
        if let (resolver, users) = known[key] {
            known[key] = (resolver, users + 1)
            return resolver
        }
        let made = try make(dns)
        known[key] = (made, 1)
        return made
    }

    func giveBack(_ dns: DNSSpec) {
        let key = Key(dns)
        guard let (resolver, users) = known[key] else { return }
        known[key] = users > 1 ? (resolver, users - 1) : nil
    }
}

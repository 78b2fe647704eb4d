// The clusters' names are looked up by c-ares.
import Metrics
import Reactor

extension DNSResolver: NameResolver {
    public func lookUp(_ name: String, family: DNSSpec.Family, _ completion: @escaping (NameLookup) -> Void) {
        resolve(name, family: DNSLookupFamily(family)) { result in
            switch result {
            case .success(let answers):
                let ttl = answers.map(\.ttlSeconds).min() ?? 0
                completion(.addresses(answers.map(\.address), ttl: .seconds(Int64(ttl))))
            case .failure(.notFound), .failure(.noData):
                completion(.empty)
            case .failure(let failure):
                completion(.failed(failure.description))
            }
        }
    }

    /// The resolver that a cluster's settings ask for.
    static func make(_ spec: DNSSpec, loop: EventLoop) throws(SystemError) -> DNSResolver {
        var options = DNSOptions()
        options.servers = spec.resolvers
        options.usesTCP = spec.useTCP
        options.usesSearchDomains = !spec.noDefaultSearchDomain
        return try DNSResolver(loop: loop, options: options)
    }
}

extension DNSLookupFamily {
    init(_ family: DNSSpec.Family) {
        switch family {
        case .auto: self = .auto
        case .v4Only: self = .v4Only
        case .v6Only: self = .v6Only
        case .v4Preferred: self = .v4Preferred
        case .all: self = .all
        }
    }
}

extension ClusterDirectory {
    /// A directory with real resolvers. Fails when one cannot be made.
    public convenience init(
        _ specs: [ClusterSpec], loop: EventLoop, cells: StatCells, workers: Int, logs: AccessLogSinks? = nil,
        outlierEvents: OutlierEventLog? = nil, zone: LocalZone = LocalZone()
    ) throws(StaticClusterError) {
        try self.init(
            specs, loop: loop, cells: cells, workers: workers, logs: logs, outlierEvents: outlierEvents,
            zone: zone
        ) { dns throws(SystemError) in
            try DNSResolver.make(dns, loop: loop)
        }
    }
}

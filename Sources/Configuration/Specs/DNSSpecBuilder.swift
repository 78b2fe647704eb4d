// How a cluster finds its endpoints, and how names are resolved.
import DataPlane
import EnvoyAPI
import Reactor

struct DNSSpecBuilder {
    let context: SpecContext
    /// What the bootstrap says for all clusters.
    var standard = DNSSpec()

    func discovery(_ cluster: API.Cluster, _ path: FieldPath) -> (ClusterSpec.Discovery, DNSSpec) {
        if case .clusterType(let custom)? = cluster.clusterDiscoveryType {
            let place = path.field("cluster_type.typed_config")
            guard custom.hasTypedConfig else {
                context.missing(place, "is required: extensions are chosen by the type of their config")
                return (.static, standard)
            }
            guard let config = custom.typedConfig.unpacked(API.DNSCluster.self) else { return (.static, standard) }
            return (config.allAddressesInSingleEndpoint ? .logicalDNS : .strictDNS, dns(config, place))
        }
        switch cluster.type {
        case .strictDns: return (.strictDNS, dns(cluster, path))
        case .logicalDns: return (.logicalDNS, dns(cluster, path))
        case .originalDst: return (.originalDestination, standard)
        case .eds: return (.eds, standard)
        default: return (.static, standard)
        }
    }

    /// The bootstrap's own resolver settings.
    func standard(_ bootstrap: API.Bootstrap) -> DNSSpec {
        var spec = DNSSpec()
        if bootstrap.useTcpForDnsLookups { spec.useTCP = true }
        if bootstrap.hasDnsResolutionConfig {
            resolution(bootstrap.dnsResolutionConfig, FieldPath().field("dns_resolution_config"), into: &spec)
        }
        if bootstrap.hasTypedDnsResolverConfig {
            resolver(bootstrap.typedDnsResolverConfig, FieldPath().field("typed_dns_resolver_config"), into: &spec)
        }
        return spec
    }

    // MARK: - The cluster's own, deprecated fields

    private func dns(_ cluster: API.Cluster, _ path: FieldPath) -> DNSSpec {
        var spec = standard
        switch cluster.dnsLookupFamily {
        case .v4Only: spec.family = .v4Only
        case .v6Only: spec.family = .v6Only
        case .v4Preferred: spec.family = .v4Preferred
        case .all: spec.family = .all
        default: spec.family = .auto
        }
        refresh(cluster.dnsRefreshRate, isSet: cluster.hasDnsRefreshRate, into: &spec)
        if cluster.hasDnsJitter { spec.jitter = context.amount(cluster.dnsJitter) }
        if cluster.hasDnsFailureRefreshRate {
            let rate = cluster.dnsFailureRefreshRate
            spec.failureRefresh = context.backoff(
                base: rate.baseInterval, max: rate.maxInterval, hasMax: rate.hasMaxInterval,
                path.field("dns_failure_refresh_rate"))
        }
        spec.respectTTL = cluster.respectDnsTtl
        if !cluster.dnsResolvers.isEmpty {
            spec.resolvers = resolvers(cluster.dnsResolvers, path.field("dns_resolvers"))
        }
        if cluster.useTcpForDnsLookups { spec.useTCP = true }
        if cluster.hasDnsResolutionConfig {
            resolution(cluster.dnsResolutionConfig, path.field("dns_resolution_config"), into: &spec)
        }
        if cluster.hasTypedDnsResolverConfig {
            resolver(cluster.typedDnsResolverConfig, path.field("typed_dns_resolver_config"), into: &spec)
        }
        return spec
    }

    // MARK: - The DNS cluster extension

    private func dns(_ config: API.DNSCluster, _ path: FieldPath) -> DNSSpec {
        var spec = standard
        switch config.dnsLookupFamily {
        case .v4Only: spec.family = .v4Only
        case .v6Only: spec.family = .v6Only
        case .v4Preferred: spec.family = .v4Preferred
        case .all: spec.family = .all
        default: spec.family = .auto
        }
        refresh(config.dnsRefreshRate, isSet: config.hasDnsRefreshRate, into: &spec)
        if config.hasDnsJitter { spec.jitter = context.amount(config.dnsJitter) }
        if config.hasDnsFailureRefreshRate {
            let rate = config.dnsFailureRefreshRate
            spec.failureRefresh = context.backoff(
                base: rate.baseInterval, max: rate.maxInterval, hasMax: rate.hasMaxInterval,
                path.field("dns_failure_refresh_rate"))
        }
        spec.respectTTL = config.respectDnsTtl
        if config.hasTypedDnsResolverConfig {
            resolver(config.typedDnsResolverConfig, path.field("typed_dns_resolver_config"), into: &spec)
        }
        return spec
    }

    // MARK: - Pieces

    private func refresh(_ rate: API.Duration, isSet: Bool, into spec: inout DNSSpec) {
        guard isSet else { return }
        spec.refreshRate = context.amount(rate)
        // The floor is for short TTLs; a rate that is written down is meant.
        spec.minRefreshRate = min(spec.minRefreshRate, spec.refreshRate)
    }

    private func resolution(_ config: API.DNSResolution, _ path: FieldPath, into spec: inout DNSSpec) {
        spec.resolvers = resolvers(config.resolvers, path.field("resolvers"))
        options(config.dnsResolverOptions, into: &spec)
    }

    private func resolver(_ config: API.TypedExtension, _ path: FieldPath, into spec: inout DNSSpec) {
        guard
            let cares = context.unpack(
                config.typedConfig, isSet: config.hasTypedConfig, as: API.CaresResolver.self, path)
        else { return }
        spec.resolvers = resolvers(cares.resolvers, path.field("typed_config.resolvers"))
        options(cares.dnsResolverOptions, into: &spec)
    }

    private func options(_ options: API.DNSResolverOptions, into spec: inout DNSSpec) {
        spec.useTCP = options.useTcpForDnsLookups
        spec.noDefaultSearchDomain = options.noDefaultSearchDomain
    }

    private func resolvers(_ addresses: [API.Address], _ path: FieldPath) -> [SocketAddress] {
        addresses.enumerated().compactMap { index, address in
            guard let found = context.address(address, path[index]) else { return nil }
            if found.isUnix {
                context.bad(path[index], "a resolver has an IP address")
                return nil
            }
            return found.port == 0 ? found.with(port: 53) : found
        }
    }
}

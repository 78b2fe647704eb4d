// RING_HASH and MAGLEV, and what of a request is hashed.
import DataPlane
import EnvoyAPI
import Reactor

struct HashingSpecBuilder {
    let context: SpecContext

    // MARK: - Tables

    /// `lb_policy: RING_HASH`.
    func ring(
        _ config: API.Cluster.RingHashLbConfig, _ common: API.Cluster.CommonLbConfig.ConsistentHashingLbConfig,
        _ path: FieldPath
    ) -> HashingSpec {
        var ring = HashingSpec.Ring()
        if config.hasMinimumRingSize { ring.minSize = config.minimumRingSize.value }
        if config.hasMaximumRingSize { ring.maxSize = config.maximumRingSize.value }
        if config.hashFunction == .murmurHash2 { ring.function = .murmurHash2 }
        var spec = HashingSpec(.ring(checked(ring, path)))
        spec.usesHostname = common.useHostnameForHashing
        if common.hasHashBalanceFactor { spec.balanceFactor = bounded(common.hashBalanceFactor.value) }
        return spec
    }

    /// `lb_policy: MAGLEV`.
    func maglev(
        _ config: API.Cluster.MaglevLbConfig, _ common: API.Cluster.CommonLbConfig.ConsistentHashingLbConfig,
        _ path: FieldPath
    ) -> HashingSpec {
        var spec = HashingSpec(.maglev(size: size(config.hasTableSize ? config.tableSize.value : nil, path)))
        spec.usesHostname = common.useHostnameForHashing
        if common.hasHashBalanceFactor { spec.balanceFactor = bounded(common.hashBalanceFactor.value) }
        return spec
    }

    /// The extension. Its own `use_hostname_for_hashing` and `hash_balance_factor` count where it has no
    /// `consistent_hashing_lb_config`, as in Envoy.
    func read(_ config: API.RingHash, _ path: FieldPath, into spec: inout ClusterSpec) {
        var ring = HashingSpec.Ring()
        if config.hasMinimumRingSize { ring.minSize = config.minimumRingSize.value }
        if config.hasMaximumRingSize { ring.maxSize = config.maximumRingSize.value }
        if config.hashFunction == .murmurHash2 { ring.function = .murmurHash2 }
        var hashing = HashingSpec(.ring(checked(ring, path)))
        if config.hasConsistentHashingLbConfig {
            read(config.consistentHashingLbConfig, path, into: &hashing, &spec)
        } else {
            hashing.usesHostname = config.useHostnameForHashing
            if config.hasHashBalanceFactor { hashing.balanceFactor = bounded(config.hashBalanceFactor.value) }
        }
        spec.balancing.hashing = hashing
        spec.balancing.weighsLocalities = config.hasLocalityWeightedLbConfig
    }

    /// The extension.
    func read(_ config: API.Maglev, _ path: FieldPath, into spec: inout ClusterSpec) {
        var hashing = HashingSpec(.maglev(size: size(config.hasTableSize ? config.tableSize.value : nil, path)))
        read(config.consistentHashingLbConfig, path, into: &hashing, &spec)
        spec.balancing.hashing = hashing
        spec.balancing.weighsLocalities = config.hasLocalityWeightedLbConfig
    }

    private func read(
        _ config: API.ConsistentHashing, _ path: FieldPath, into hashing: inout HashingSpec, _ spec: inout ClusterSpec
    ) {
        hashing.usesHostname = config.useHostnameForHashing
        if config.hasHashBalanceFactor { hashing.balanceFactor = bounded(config.hashBalanceFactor.value) }
        if !config.hashPolicy.isEmpty {
            spec.hashPolicies = policies(
                config.hashPolicy, path.field("consistent_hashing_lb_config.hash_policy"))
        }
    }

    private func checked(_ ring: HashingSpec.Ring, _ path: FieldPath) -> HashingSpec.Ring {
        if ring.minSize > ring.maxSize {
            context.bad(
                path.field("minimum_ring_size"),
                "must be at most maximum_ring_size (\(ring.maxSize)), found \(ring.minSize)")
        }
        return ring
    }

    private func size(_ value: UInt64?, _ path: FieldPath) -> Int {
        guard let value else { return HashingSpec.standardMaglevSize }
        guard value < 1 << 32, Self.isPrime(value) else {
            context.bad(path.field("table_size"), "must be a prime number, found \(value)")
            return HashingSpec.standardMaglevSize
        }
        return Int(value)
    }

    private static func isPrime(_ value: UInt64) -> Bool {
        guard value >= 2 else { return false }
        var divisor: UInt64 = 2
        while divisor * divisor <= value {
            if value % divisor == 0 { return false }
            divisor += 1
        }
        return true
    }

    /// 0 is no bound.
    private func bounded(_ percent: UInt32) -> UInt32? { percent == 0 ? nil : percent }

    // MARK: - hash_policy

    /// Policies that look at nothing are left out.
    func policies(_ policies: [API.RouteAction.HashPolicy], _ path: FieldPath) -> [HashPolicySpec] {
        policies.enumerated().compactMap { policy($1, path[$0]) }
    }

    private func policy(_ policy: API.RouteAction.HashPolicy, _ path: FieldPath) -> HashPolicySpec? {
        let source: HashPolicySpec.Source
        switch policy.policySpecifier {
        case .header(let header)?:
            let rewrite =
                header.hasRegexRewrite
                ? context.rewrite(header.regexRewrite, path.field("header.regex_rewrite")) : nil
            source = .header(header.headerName.lowercased(), rewrite: rewrite.map { ($0.regex, $0.substitution) })
        case .cookie(let cookie)?:
            let made = HashPolicySpec.MadeCookie(
                maxAge: cookie.ttl.seconds, path: cookie.path,
                attributes: cookie.attributes.map { ($0.name, $0.value) })
            source = .cookie(name: cookie.name, made: cookie.hasTtl ? made : nil)
        case .connectionProperties(let properties)?:
            guard properties.sourceIp else { return nil }
            source = .sourceIP
        case .queryParameter(let parameter)?: source = .queryParameter(parameter.name)
        case .filterState?, nil: return nil
        }
        return HashPolicySpec(source: source, terminal: policy.terminal)
    }
}

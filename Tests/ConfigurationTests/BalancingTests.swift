// How hosts are chosen: policies and their settings.
import DataPlane
import Testing

@testable import Configuration

@Suite struct BalancingTests {
    private func spec(_ fields: String) throws -> ClusterSpec {
        try #require(try loaded(cluster(fields)).spec.clusters.first)
    }

    private static func policy(_ name: String, _ fields: String) -> String {
        let type = "type.googleapis.com/envoy.extensions.load_balancing_policies.\(name)"
        return "load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: "
            + "{\"@type\": \(type), \(fields)}}}]}"
    }

    // MARK: - Hashing

    @Test func defaultsOfHashing() throws {
        #expect(try spec("lb_policy: RING_HASH").balancing.hashing == HashingSpec(.ring(HashingSpec.Ring())))
        #expect(try spec("lb_policy: MAGLEV").balancing.hashing == HashingSpec(.maglev(size: 65_537)))
        let extensions = try [
            spec(Self.policy("ring_hash.v3.RingHash", "")), spec(Self.policy("maglev.v3.Maglev", "")),
        ]
        #expect(extensions[0].balancing.hashing == HashingSpec(.ring(HashingSpec.Ring())))
        #expect(extensions[1].balancing.hashing == HashingSpec(.maglev(size: 65_537)))
        #expect(try spec("lb_policy: ROUND_ROBIN").balancing == BalancingSpec())
    }

    @Test func settingsOfHashing() throws {
        var ring = HashingSpec.Ring()
        ring.minSize = 5
        ring.maxSize = 9
        ring.function = .murmurHash2
        var wanted = HashingSpec(.ring(ring))
        wanted.usesHostname = true
        wanted.balanceFactor = 125
        let sizes = "minimum_ring_size: 5, maximum_ring_size: 9, hash_function: MURMUR_HASH_2"
        let common = "consistent_hashing_lb_config: {use_hostname_for_hashing: true, hash_balance_factor: 125"
        #expect(
            try spec(
                "type: STRICT_DNS\nlb_policy: RING_HASH\nring_hash_lb_config: {\(sizes)}\ncommon_lb_config: {\(common)}}"
            ).balancing.hashing == wanted)
        #expect(
            try spec(
                Self.policy(
                    "ring_hash.v3.RingHash", sizes + ", use_hostname_for_hashing: true, hash_balance_factor: 125")
            ).balancing.hashing == wanted)
        let own = try spec(
            Self.policy(
                "ring_hash.v3.RingHash",
                sizes + ", hash_balance_factor: 999, \(common), hash_policy: [{header: {header_name: X-A}}]}"))
        #expect(own.balancing.hashing == wanted && own.hashPolicies?.count == 1)
        wanted.table = .maglev(size: 31)
        #expect(
            try spec(
                "type: STRICT_DNS\nlb_policy: MAGLEV\nmaglev_lb_config: {table_size: 31}\ncommon_lb_config: {\(common)}}"
            ).balancing.hashing == wanted)
        #expect(
            try spec(Self.policy("maglev.v3.Maglev", "table_size: 31, \(common)}")).balancing.hashing == wanted)
    }

    @Test func keysOfHosts() throws {
        let spec = try spec(
            """
            load_assignment:
              cluster_name: a
              endpoints:
              - lb_endpoints:
                - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 80}}}
                  metadata: {filter_metadata: {envoy.lb: {hash_key: k, stage: prod}}}
                - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 81}}}
                  metadata: {filter_metadata: {envoy.lb: {hash_key: 7}}}
            """)
        #expect(spec.endpoints[0].endpoints.map(\.hashKey) == ["k", nil])
    }

    @Test func policiesOfRoutesAndProxies() throws {
        let text = """
            match: {prefix: /}, route: {cluster: a, hash_policy: [\
            {cookie: {name: c, ttl: 1.5s, path: /p, attributes: [{name: n, value: v}]}, terminal: true}, \
            {cookie: {name: d}}, {connection_properties: {source_ip: true}}, \
            {connection_properties: {source_ip: false}}, {query_parameter: {name: q}}]}
            """
        guard case .http(let spec)? = try loaded(http(route: text)).spec.listeners.first?.filterChains.first?.filter,
            case .forward(let forward)? = spec.routes.virtualHosts.first?.routes.first?.action
        else {
            Issue.record("no route")
            return
        }
        #expect(forward.hashPolicies.map(\.terminal) == [true, false, false, false])
        guard case .cookie(name: "c", let made?) = forward.hashPolicies[0].source else {
            Issue.record("no cookie")
            return
        }
        #expect(made == HashPolicySpec.MadeCookie(maxAge: 1, path: "/p", attributes: [("n", "v")]))
    }

    // MARK: - Localities

    @Test func localitiesOfClusters() throws {
        #expect(try spec("common_lb_config: {locality_weighted_lb_config: {}}").balancing.weighsLocalities)
        var zone = ZoneAwareSpec()
        zone.percent = 38
        zone.minClusterSize = 3
        zone.failsOnPanic = true
        let settings = "routing_enabled: {value: 37.6}, min_cluster_size: 3, fail_traffic_on_panic: true"
        #expect(try spec("common_lb_config: {zone_aware_lb_config: {\(settings)}}").balancing.zone == zone)
        zone.sharesByWeight = true
        zone.forcedLocalHosts = 2
        for policy in ["round_robin.v3.RoundRobin", "least_request.v3.LeastRequest", "random.v3.Random"] {
            let weighted = try spec(Self.policy(policy, "locality_lb_config: {locality_weighted_lb_config: {}}"))
            #expect(weighted.balancing.weighsLocalities)
            let more = "locality_basis: HEALTHY_HOSTS_WEIGHT, force_local_zone: {min_size: 2}"
            let zoned = try spec(
                Self.policy(policy, "locality_lb_config: {zone_aware_lb_config: {\(settings), \(more)}}"))
            #expect(zoned.balancing.zone == zone && !zoned.balancing.weighsLocalities)
        }
        let forced = Self.policy(
            "random.v3.Random", "locality_lb_config: {zone_aware_lb_config: {force_locality_direct_routing: true}}")
        #expect(try spec(forced).balancing.zone.forcedLocalHosts == 1)
        for policy in ["ring_hash.v3.RingHash", "maglev.v3.Maglev"] {
            #expect(try spec(Self.policy(policy, "locality_weighted_lb_config: {}")).balancing.weighsLocalities)
        }
    }

    @Test func weightsOfLocalities() throws {
        let endpoints = "load_assignment: {cluster_name: a, endpoints: [{load_balancing_weight: 7}, {priority: 1}]}"
        #expect(try spec(endpoints).endpoints.map(\.weight) == [7, 0])
    }

    @Test func theLocalClusterIsOneOfTheFile() throws {
        let text = "cluster_manager: {local_cluster_name: %}\nstatic_resources: {clusters: [{name: a}]}"
        #expect(try loaded(text.replacing("%", with: "a")).spec.localCluster == "a")
        #expect(
            errors(text.replacing("%", with: "b")) == [
                "f:1:39: cluster_manager.local_cluster_name: there is no cluster \"b\"; did you mean \"a\"?"
            ])
    }

    // MARK: - Slow start

    @Test func slowStart() throws {
        var wanted = SlowStartSpec(window: .seconds(30))
        #expect(
            try spec("round_robin_lb_config: {slow_start_config: {slow_start_window: 30s}}").balancing.slowStart
                == wanted)
        wanted.aggression = 2.5
        wanted.leastPart = 0.25
        let settings =
            "slow_start_config: {slow_start_window: 30s, "
            + "aggression: {default_value: 2.5, runtime_key: k}, min_weight_percent: {value: 25}}"
        #expect(
            try spec("lb_policy: LEAST_REQUEST\nleast_request_lb_config: {\(settings)}").balancing.slowStart == wanted)
        for policy in ["round_robin.v3.RoundRobin", "least_request.v3.LeastRequest"] {
            #expect(try spec(Self.policy(policy, settings)).balancing.slowStart == wanted)
        }
        #expect(
            try spec("round_robin_lb_config: {slow_start_config: {slow_start_window: 0s}}").balancing.slowStart == nil)
    }

    // MARK: - What is wrong

    private static let problems: [(String, String)] = [
        (
            "lb_policy: RING_HASH\nring_hash_lb_config: {minimum_ring_size: 9, maximum_ring_size: 5}",
            ".ring_hash_lb_config.minimum_ring_size: must be at most maximum_ring_size (5), found 9"
        ),
        (
            "lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 65536}",
            ".maglev_lb_config.table_size: must be a prime number, found 65536"
        ),
        (
            "lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 0}",
            ".maglev_lb_config.table_size: must be a prime number, found 0"
        ),
        (
            "lb_policy: RING_HASH\n"
                + "common_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}",
            ".common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing: needs a cluster of type "
                + "STRICT_DNS, whose hosts have names"
        ),
        (
            policy("maglev.v3.Maglev", "") + "\ncommon_lb_config: {consistent_hashing_lb_config: {}}",
            ".common_lb_config.consistent_hashing_lb_config: is set beside a load_balancing_policy, whose own "
                + "configuration says this"
        ),
        (
            policy("random.v3.Random", "") + "\ncommon_lb_config: {zone_aware_lb_config: {}}",
            ".common_lb_config.zone_aware_lb_config: is set beside a load_balancing_policy, whose own "
                + "configuration says this"
        ),
        (
            "load_assignment: {cluster_name: a, endpoints: [{load_balancing_weight: 4294967295}, "
                + "{load_balancing_weight: 1}]}",
            ".load_assignment.endpoints: the sum of the weights of the localities of priority 0 must be at most "
                + "4294967295, found 4294967296"
        ),
    ]

    @Test(arguments: problems)
    func namesWhatIsWrong(fields: String, expected: String) {
        let found = errors(cluster(fields)).map { String($0.drop { $0 != " " }.dropFirst()) }
        #expect(found == ["static_resources.clusters[0]" + expected])
    }

    @Test func whatHasNoEffectIsToldOf() throws {
        for (fields, place) in [
            ("maglev_lb_config: {table_size: 31}", "maglev_lb_config: has no effect"),
            (
                "common_lb_config: {consistent_hashing_lb_config: {hash_balance_factor: 100}}",
                "consistent_hashing_lb_config: has no effect"
            ),
        ] {
            let warnings = try loaded(cluster("lb_policy: RANDOM\n" + fields)).warnings.map(\.description)
            #expect(warnings.contains { $0.contains(place) }, "\(warnings)")
        }
    }
}

// Filters that let in or turn away: what is taken from a file, and what is refused by name.
import Testing

@testable import Configuration
@testable import DataPlane

struct FilterTests {
    private static let manager = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config"

    private static func http(_ filters: [String], route: String = "match: {prefix: /}, route: {cluster: a}") -> String {
        let list = (filters + [router]).joined(separator: ", ")
        return ConfigurationTests.http(route: route).split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.contains("http_filters:") ? "          http_filters: [\(list)]" : String($0) }
            .joined(separator: "\n")
    }

    private static func rbac(_ fields: String, name: String = "r") -> String {
        "{name: \(name), typed_config: {\"@type\": \(types).filters.http.rbac.v3.RBAC, \(fields)}}"
    }

    private static func policy(_ permission: String, _ principal: String = "any: true") -> String {
        "rules: {policies: {p: {permissions: [{\(permission)}], principals: [{\(principal)}]}}}"
    }

    private static func limit(_ fields: String) -> String {
        "{name: l, typed_config: {\"@type\": \(types).filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: s, "
            + "\(fields)}}"
    }

    private static func spec(_ text: String) throws -> HTTPConnectionManagerSpec {
        let chain = try #require(try loaded(text).spec.listeners.first?.filterChains.first)
        var found: HTTPConnectionManagerSpec?
        if case .http(let manager) = chain.filter { found = manager }
        return try #require(found)
    }

    @Test func policiesAreSortedByName() throws {
        let one = "{permissions: [{any: true}], principals: [{any: true}]}"
        let text = Self.http([Self.rbac("rules: {action: DENY, policies: {b: \(one), Z: \(one), a: \(one)}}")])
        let filter = try #require(try Self.spec(text).filters.first)
        guard case .rbac(let rbac) = filter.kind else {
            Issue.record("no rbac")
            return
        }
        #expect(filter.name == "r" && rbac.rules?.policies.map(\.name) == ["Z", "a", "b"])
    }

    @Test(arguments: [
        ("metadata: {filter: f}", "any: true", "permissions[0].metadata"),
        ("uri_template: {name: t}", "any: true", "permissions[0].uri_template"),
        ("matcher: {name: t}", "any: true", "permissions[0].matcher"),
        ("any: true", "filter_state: {key: k}", "principals[0].filter_state"),
        ("any: true", "metadata: {filter: f}", "principals[0].metadata"),
        ("destination_port_range: {start: 9, end: 9}", "any: true", "permissions[0].destination_port_range"),
        ("destination_port: 65536", "any: true", "permissions[0].destination_port"),
        ("any: true", "remote_ip: {address_prefix: x}", "principals[0].remote_ip"),
    ])
    func whatCannotBeIsRefusedByName(permission: String, principal: String, place: String) {
        let found = errors(Self.http([Self.rbac(Self.policy(permission, principal))]))
        #expect(found.count == 1 && found[0].contains("rules.policies[\"p\"].\(place)"), "\(found)")
    }

    @Test(arguments: ["condition: {}", "checked_condition: {}"])
    func conditionsInCELAreRefused(field: String) {
        let text = "rules: {policies: {p: {permissions: [{any: true}], principals: [{any: true}], \(field)}}}"
        let found = errors(Self.http([Self.rbac(text)]))
        #expect(found.count == 1 && found[0].contains("condition"), "\(found)")
    }

    @Test func matcherTreesAreRefused() {
        for field in ["matcher: {}", "shadow_matcher: {}"] {
            #expect(errors(Self.http([Self.rbac(field)])).count == 1)
        }
    }

    @Test(arguments: [
        ("token_bucket: {max_tokens: 1, fill_interval: 0.04s}", "must be at least 50 ms"),
        ("descriptors: [{token_bucket: {max_tokens: 1, fill_interval: 1s}}]", "descriptors[0].entries"),
        ("rate_limits: [{}]", "rate_limits"),
        ("local_cluster_rate_limit: {}", "local_cluster_rate_limit"),
    ])
    func rateLimitsThatCannotBe(fields: String, message: String) {
        let found = errors(Self.http([Self.limit(fields)]))
        #expect(found.count == 1 && found[0].contains(message), "\(found)")
    }

    @Test func theBucketIsOneForAllWorkers() throws {
        let text = Self.http([Self.limit("token_bucket: {max_tokens: 3, fill_interval: 1s}, status: {code: OK}")])
        let spec = try Self.spec(text)
        guard case .localRateLimit(let limit)? = spec.filters.first?.kind else {
            Issue.record("no limit")
            return
        }
        #expect(limit.limiter?.standard?.rate.capacity == 3 && limit.status == 429)
    }

    private static func overriding(_ name: String, _ config: String) -> String {
        http(
            [rbac("rules: {}")],
            route: "match: {prefix: /}, route: {cluster: a}, typed_per_filter_config: {\(name): \(config)}")
    }

    @Test func routesChangeFilters() throws {
        let perRoute = "{\"@type\": \(types).filters.http.rbac.v3.RBACPerRoute}"
        let filterConfig = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
        let cases: [(String, (HTTPFilterOverride?) -> Bool)] = [
            (perRoute, { if case .rbac(nil)? = $0 { true } else { false } }),
            ("{\"@type\": \(filterConfig), disabled: true}", { if case .disabled? = $0 { true } else { false } }),
            ("{\"@type\": \(filterConfig), config: {}}", { if case .enabled? = $0 { true } else { false } }),
            (
                "{\"@type\": \(filterConfig), config: \(perRoute)}",
                { if case .rbac(nil)? = $0 { true } else { false } }
            ),
        ]
        for (config, fits) in cases {
            let route = try Self.spec(Self.overriding("r", config)).routes.virtualHosts.first?.routes.first
            #expect(fits(route?.filterOverrides?["r"]), "\(config)")
        }
    }

    @Test func anotherFiltersOverrideIsRefused() {
        let limit =
            "{\"@type\": \(types).filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: s, "
            + "token_bucket: {max_tokens: 1, fill_interval: 1s}}"
        let found = errors(Self.overriding("r", limit))
        #expect(found.count == 1 && found[0].contains("is not for the filter \"r\""), "\(found)")
    }

    @Test func anOverrideOfNoFilterIsWarnedOf() throws {
        let perRoute = "{\"@type\": \(types).filters.http.rbac.v3.RBACPerRoute}"
        let warnings = try loaded(Self.overriding("nobody", perRoute)).warnings.map(\.description)
        #expect(warnings.contains { $0.contains("no filter before the router has the name \"nobody\"") }, "\(warnings)")
    }

    @Test func aRoutesLimitNeedsABucket() {
        let text = Self.http(
            [Self.limit("stage: 1")],
            route: "match: {prefix: /}, route: {cluster: a}, typed_per_filter_config: "
                + "{l: {\"@type\": \(types).filters.http.local_ratelimit.v3.LocalRateLimit, stat_prefix: s}}")
        let found = errors(text)
        #expect(found.count == 1 && found[0].contains("token_bucket"), "\(found)")
    }

    // MARK: - Connections

    private static func tcp(_ filters: String) -> String {
        """
        static_resources:
          listeners:
          - name: l
            address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
            filter_chains:
            - filters: [\(filters)]
          clusters:
          - name: a
        """
    }

    private static let proxy =
        "{name: t, typed_config: {\"@type\": \(types).filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: p, cluster: a}}"

    private static func gate(_ fields: String) -> String {
        "{name: g, typed_config: {\"@type\": \(types).filters.network.rbac.v3.RBAC, stat_prefix: g, \(fields)}}"
    }

    @Test func gatesStandBeforeTheFilterThatServes() throws {
        let gate = Self.gate("rules: {}, delay_deny: 1s")
        let chain = try loaded(Self.tcp("\(gate), \(Self.proxy)")).spec.listeners.first?.filterChains.first
        #expect(chain?.gates.count == 1)
        for filters in [gate, "\(Self.proxy), \(gate)"] {
            let found = errors(Self.tcp(filters))
            #expect(found.contains { $0.contains("only lets connections in") }, "\(found)")
        }
    }

    @Test(arguments: ["header: {name: x}", "url_path: {path: {exact: /}}", "not_rule: {header: {name: x}}"])
    func connectionsHaveNoHeaders(permission: String) {
        let found = errors(Self.tcp("\(Self.gate(Self.policy(permission))), \(Self.proxy)"))
        #expect(found.count == 1 && found[0].contains("a connection has no"), "\(found)")
    }
}

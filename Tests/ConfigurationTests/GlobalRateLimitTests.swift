// Filters that ask a rate limit service: what is taken from a file, and what is refused by name.
import Testing

@testable import Configuration
@testable import DataPlane

struct GlobalRateLimitTests {
    private static let service = "rate_limit_service: {grpc_service: {envoy_grpc: {cluster_name: a}}}"
    private static let action = "actions: [{generic_key: {descriptor_value: v}}]"

    private static func http(_ fields: String, route: String = "match: {prefix: /}, route: {cluster: a}") -> String {
        let filter =
            "{name: l, typed_config: {\"@type\": \(types).filters.http.ratelimit.v3.RateLimit, domain: d, "
            + "\(service), \(fields)}}"
        return ConfigurationTests.http(route: route).split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.contains("http_filters:") ? "          http_filters: [\(filter), \(router)]" : String($0) }
            .joined(separator: "\n")
    }

    private static func manager(_ text: String) throws -> HTTPConnectionManagerSpec {
        let chain = try #require(try loaded(text).spec.listeners.first?.filterChains.first)
        guard case .http(let manager) = chain.filter else { throw CancellationError() }
        return manager
    }

    private static func limit(_ fields: String) throws -> GlobalRateLimitSpec {
        guard case .globalRateLimit(let limit)? = try manager(http(fields)).filters.first?.kind else {
            throw CancellationError()
        }
        return limit
    }

    @Test func whatHoldsWhereNothingIsSaid() throws {
        let spec = try Self.limit("stat_prefix: s")
        #expect(spec.domain == "d" && spec.statPrefix == "s")
        #expect(spec.service.cluster == "a" && spec.service.authority == "a")
        #expect(spec.service.timeout == .milliseconds(20))
        #expect(spec.enabled == RuntimeFraction(.always, key: "ratelimit.http_filter_enabled"))
        #expect(spec.enforced == RuntimeFraction(.always, key: "ratelimit.http_filter_enforcing"))
        #expect(spec.refusedOnError.fraction.numerator == 0)
        #expect(spec.status == 429 && spec.statusOnError == 500 && spec.marksLimited && !spec.addsQuotaHeaders)
        #expect(try Self.limit("timeout: 0s").service.timeout == nil)
    }

    @Test func whatIsSaid() throws {
        let spec = try Self.limit(
            """
            stage: 3, request_type: internal, failure_mode_deny: true, rate_limited_as_resource_exhausted: true, \
            enable_x_ratelimit_headers: DRAFT_VERSION_03, disable_x_envoy_ratelimited_header: true, \
            rate_limited_status: {code: ServiceUnavailable}, status_on_error: {code: OK}, \
            filter_enabled: {default_value: {numerator: 5}, runtime_key: k}, \
            rate_limits: [{\(Self.action), hits_addend: {format: "%BYTES_SENT%"}, apply_on_stream_done: true}]
            """)
        #expect(spec.stage == 3 && spec.requests == .internal && spec.isResourceExhausted)
        #expect(spec.refusedOnError == RuntimeFraction(.always))
        #expect(spec.addsQuotaHeaders && !spec.marksLimited && spec.status == 503 && spec.statusOnError == 200)
        #expect(spec.enabled.key == "k" && spec.enabled.fraction.numerator == 5)
        #expect(spec.rules.first?.hits == .format("%BYTES_SENT%") && spec.rules.first?.appliesAtEnd == true)
        let low = try Self.limit("rate_limited_status: {code: OK}, status_on_error: {code: Continue}")
        #expect(low.status == 429 && low.statusOnError == 500)
        // A percentage takes the place of the flag.
        let some = "failure_mode_deny_percent: {default_value: {numerator: 7}, runtime_key: k}"
        #expect(try Self.limit("failure_mode_deny: true, \(some)").refusedOnError.fraction.numerator == 7)
    }

    @Test(arguments: [
        ("request_type: all", "request_type"), ("stage: 11", "stage"),
        ("rate_limits: [{\(action), stage: 0}]", "rate_limits[0].stage"),
        ("rate_limits: [{\(action), disable_key: k}]", "rate_limits[0].disable_key"),
        ("rate_limits: [{\(action), limit: {}}]", "rate_limits[0].limit"),
        ("rate_limits: [{\(action), hits_addend: {}}]", "rate_limits[0].hits_addend: must have one of"),
        ("rate_limits: [{\(action), hits_addend: {number: 1, format: \"%PROTOCOL%\"}}]", "must have one of"),
        ("rate_limits: [{\(action), hits_addend: {format: \"%REQ(a)%%REQ(b)%\"}}]", "must be one operator"),
        ("rate_limits: [{\(action), hits_addend: {format: \"%%5%%\"}}]", "must be one operator"),
        ("rate_limits: [{\(action), hits_addend: {format: \"%NO%\"}}]", "hits_addend.format"),
        ("rate_limits: [{\(action), hits_addend: {format: \"x\"}}]", "hits_addend.format"),
        ("rate_limits: [{\(action), hits_addend: {number: 1000000001}}]", "hits_addend.number"),
        ("rate_limits: [{actions: [{metadata: {}}]}]", "rate_limits[0].actions[0].metadata"),
        ("response_headers_to_add: [{header: {key: a, value: \"%NO%\"}}]", "response_headers_to_add[0].header.value"),
    ])
    func whatCannotBe(fields: String, message: String) {
        let found = errors(Self.http(fields))
        #expect(found.count == 1 && found[0].contains(message), "\(found)")
    }

    @Test func whatARouteSays() throws {
        let perRoute = "{\"@type\": \(types).filters.http.ratelimit.v3.RateLimitPerRoute"
        func override(_ fields: String) throws -> GlobalRateLimitOverrideSpec {
            let route =
                "match: {prefix: /}, route: {cluster: a}, typed_per_filter_config: {l: \(perRoute), \(fields)}}"
            let found = try Self.manager(Self.http("stage: 0", route: route)).routes.virtualHosts.first?.routes.first
            guard case .globalRateLimit(let spec)? = found?.filterOverrides?["l"] else { throw CancellationError() }
            return spec
        }
        let own = try override("vh_rate_limits: INCLUDE, domain: o, rate_limits: [{\(Self.action)}]")
        #expect(own.virtualHostRules == .included && own.domain == "o" && own.rules.count == 1)
        #expect(try override("vh_rate_limits: IGNORE").virtualHostRules == .ignored)
        #expect(try override("domain: o").virtualHostRules == .overridden)
        let refused = errors(
            Self.http(
                "stage: 0",
                route: "match: {prefix: /}, route: {cluster: a}, "
                    + "typed_per_filter_config: {l: \(perRoute), override_option: INCLUDE_POLICY}}"))
        #expect(refused.count == 1 && refused[0].contains("override_option"), "\(refused)")
    }

    @Test func rulesOfRoutes() throws {
        let route =
            "match: {prefix: /}, route: {cluster: a, rate_limits: "
            + "[{\(Self.action), stage: 2, disable_key: k, apply_on_stream_done: true}]}"
        let loaded = try Self.manager(Self.http("stage: 2", route: route))
        guard case .forward(let action)? = loaded.routes.virtualHosts.first?.routes.first?.action else {
            Issue.record("no route")
            return
        }
        let rule = try #require(action.rateLimits?.first)
        #expect(rule.stage == 2 && rule.appliesAtEnd && rule.enabled?.key == "ratelimit.k.http_filter_enabled")
        let hits = route.replacing("disable_key: k", with: "hits_addend: {number: 2}")
        let found = errors(Self.http("stage: 2", route: hits))
        #expect(found.count == 1 && found[0].contains("route.rate_limits[0].hits_addend"), "\(found)")
    }

    @Test func aTimeoutThatDoesNothing() throws {
        let text = Self.http("stage: 0").replacing("{cluster_name: a}}", with: "{cluster_name: a}, timeout: 1s}")
        let warnings = try loaded(text).warnings.map(\.description)
        #expect(warnings.contains { $0.contains("grpc_service.timeout: does nothing") }, "\(warnings)")
    }

    @Test func whoIsAskedHasToBeThere() {
        let text = Self.http("stage: 0").replacing("cluster_name: a", with: "cluster_name: nobody")
        #expect(errors(text).contains { $0.contains("there is no cluster \"nobody\"") })
    }

    // MARK: - Connections

    private static func tcp(_ fields: String) -> String {
        """
        static_resources:
          listeners:
          - name: l
            address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
            filter_chains:
            - filters:
              - {name: g, typed_config: {"@type": \(types).filters.network.ratelimit.v3.RateLimit, stat_prefix: g, \
                 domain: d, \(service), \(fields)}}
              - {name: t, typed_config: {"@type": \(types).filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: p, \
                 cluster: a}}
          clusters:
          - name: a
        """
    }

    @Test func connections() throws {
        let text = Self.tcp("descriptors: [{entries: [{key: k, value: v}, {key: l}]}], failure_mode_deny: true")
        let chain = try #require(try loaded(text).spec.listeners.first?.filterChains.first)
        guard case .serviceLimit(let limit)? = chain.gates.first else {
            Issue.record("no limit")
            return
        }
        #expect(limit.statPrefix == "g" && limit.domain == "d" && limit.refusesOnError)
        #expect(limit.service.timeout == .milliseconds(20))
        #expect(limit.descriptors.map(\.entries.count) == [2])
        #expect(limit.enabled.key == "ratelimit.tcp_filter_enabled")
    }

    @Test(arguments: [
        ("timeout: 1s", "descriptors"), ("descriptors: [{entries: []}]", "descriptors[0].entries"),
        ("descriptors: [{entries: [{key: k, value: \"%NO%\"}]}]", "descriptors[0].entries[0].value"),
        ("descriptors: [{entries: [{key: k}], limit: {}}]", "descriptors[0].limit"),
        ("descriptors: [{entries: [{key: k}], hits_addend: 2}]", "descriptors[0].hits_addend"),
    ])
    func connectionLimitsThatCannotBe(fields: String, message: String) {
        let found = errors(Self.tcp(fields))
        #expect(found.count == 1 && found[0].contains(message), "\(found)")
    }
}

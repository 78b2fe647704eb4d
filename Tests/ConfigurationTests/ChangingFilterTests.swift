// Filters that change messages, answer for the app or ask for tokens: what is taken from a file, and what is refused by name.
import Reactor
import Testing

@testable import Configuration
@testable import DataPlane

struct ChangingFilterTests {
    private static func http(_ filter: String, route: String = "match: {prefix: /}, route: {cluster: a}") -> String {
        ConfigurationTests.http(route: route).split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.contains("http_filters:") ? "          http_filters: [\(filter), \(router)]" : String($0) }
            .joined(separator: "\n")
    }

    private static func filter(_ type: String, _ fields: String = "") -> String {
        "{name: f, typed_config: {\"@type\": \(types).filters.http.\(type)\(fields.isEmpty ? "" : ", " + fields)}}"
    }

    private static func routed(_ type: String, _ fields: String) -> String {
        "match: {prefix: /}, route: {cluster: a}, typed_per_filter_config: "
            + "{f: {\"@type\": \(types).filters.http.\(type), \(fields)}}"
    }

    private static func spec(_ text: String) throws -> HTTPConnectionManagerSpec {
        let chain = try #require(try loaded(text).spec.listeners.first?.filterChains.first)
        var found: HTTPConnectionManagerSpec?
        if case .http(let manager) = chain.filter { found = manager }
        return try #require(found)
    }

    private static func override(_ spec: HTTPConnectionManagerSpec) throws -> HTTPFilterOverride {
        try #require(spec.routes.virtualHosts.first?.routes.first?.filterOverrides?["f"])
    }

    // MARK: - Other origins

    private static let policy =
        "allow_origin_string_match: [{exact: o}], allow_methods: m, allow_headers: h, expose_headers: e, max_age: \"1\", "
        + "allow_credentials: false, allow_private_network_access: true, forward_not_matching_preflights: false, "
        + "filter_enabled: {default_value: {numerator: 7}, runtime_key: k}, shadow_enabled: {default_value: {numerator: 8}}"

    @Test func policiesOfOrigins() throws {
        let newer = try Self.spec(
            Self.http(Self.filter("cors.v3.Cors"), route: Self.routed("cors.v3.CorsPolicy", Self.policy)))
        guard case .cors(let one) = try Self.override(newer) else {
            Issue.record("no policy")
            return
        }
        let older = try Self.spec(
            Self.http(
                Self.filter("cors.v3.Cors"), route: "match: {prefix: /}, route: {cluster: a, cors: {\(Self.policy)}}"))
        guard case .forward(let forward)? = older.routes.virtualHosts.first?.routes.first?.action else {
            Issue.record("no route")
            return
        }
        for policy in [one, try #require(forward.cors)] {
            #expect(policy.allowedOrigins.count == 1 && policy.allowedMethods == "m" && policy.allowedHeaders == "h")
            #expect(policy.exposedHeaders == "e" && policy.maxAge == "1" && policy.allowsCredentials == false)
            #expect(policy.allowsPrivateNetworks == true && policy.forwardsOtherPreflights == false)
            #expect(policy.enabled == RuntimeFraction(Fraction(numerator: 7, denominator: 100), key: "k"))
            #expect(policy.shadowEnabled == RuntimeFraction(Fraction(numerator: 8, denominator: 100), key: ""))
        }
    }

    @Test func aPolicyWithoutItsFilterIsWarnedOf() throws {
        let text = ConfigurationTests.http(route: "match: {prefix: /}, route: {cluster: a, cors: {max_age: \"1\"}}")
        #expect(
            try loaded(text).warnings.contains {
                $0.description.contains("no filter before the router is for other origins")
            })
    }

    // MARK: - Header mutation

    @Test func stepsOfMutations() throws {
        let fields =
            "mutations: {request_mutations: [{remove: X-A}, {append: {header: {key: b, value: c}, append_action: ADD_IF_ABSENT}}, "
            + "{remove_on_match: {key_matcher: {prefix: z}}}], query_parameter_mutations: [{remove: q}, "
            + "{append: {record: {key: k, value: v}, action: OVERWRITE_IF_EXISTS}}]}, most_specific_header_mutations_wins: true"
        let spec = try Self.spec(Self.http(Self.filter("header_mutation.v3.HeaderMutation", fields)))
        guard case .headerMutation(let mutation)? = spec.filters.first?.kind else {
            Issue.record("no mutation")
            return
        }
        #expect(mutation.mostSpecificWins && mutation.request.count == 3 && mutation.parameters.count == 2)
        guard case .remove("x-a")? = mutation.request.first, case .append(let add) = mutation.request[1],
            case .append(name: "k", value: "v", .overwriteIfExists)? = mutation.parameters.last
        else {
            Issue.record("\(mutation)")
            return
        }
        #expect(add.name == "b" && add.action == .addIfAbsent)
    }

    @Test(arguments: [
        ("request_mutations: [{remove: \":path\"}]", "request_mutations[0].remove"),
        ("request_mutations: [{append: {header: {key: Host, value: x}}}]", "request_mutations[0].append.header.key"),
        (
            "response_mutations: [{append: {header: {key: a, value: \"%NOPE%\"}}}]",
            "response_mutations[0].append.header.value"
        ),
        ("query_parameter_mutations: [{}]", "query_parameter_mutations[0]"),
        ("query_parameter_mutations: [{append: {}}]", "query_parameter_mutations[0].append.record"),
        ("query_parameter_mutations: [{append: {record: {key: k, value: 1}}}]", "append.record.value"),
        ("query_parameter_mutations: [{append: {entry: {key: k}}}]", "append.entry"),
        ("request_trailers_mutations: [{remove: a}]", "request_trailers_mutations"),
        ("response_trailers_mutations: [{remove: a}]", "response_trailers_mutations"),
    ])
    func mutationsThatCannotBe(fields: String, place: String) {
        let found = errors(Self.http(Self.filter("header_mutation.v3.HeaderMutation", "mutations: {\(fields)}")))
        #expect(found.contains { $0.contains(place) }, "\(found)")
    }

    // MARK: - Health checks

    @Test func checksOfClients() throws {
        let fields =
            "pass_through_mode: true, cache_time: 2s, headers: [{name: \":path\", string_match: {exact: /hc}}], "
            + "cluster_min_healthy_percentages: {a: {value: 50}, nobody: {value: 1}}"
        let text = Self.http(Self.filter("health_check.v3.HealthCheck", fields))
        guard case .healthCheck(let check)? = try Self.spec(text).filters.first?.kind else {
            Issue.record("no check")
            return
        }
        #expect(check.passesThrough && check.cache != nil && check.headers.count == 1)
        #expect(check.minHealthy.map(\.cluster) == ["a", "nobody"] && check.minHealthy.map(\.percent) == [50, 1])
        #expect(try loaded(text).warnings.contains { $0.description.contains("there is no cluster \"nobody\"") })
    }

    @Test(arguments: [
        ("pass_through_mode: false, cache_time: 1s", "cache_time"), ("cache_time: 1s", "pass_through_mode"),
    ])
    func checksThatCannotBe(fields: String, place: String) {
        let found = errors(Self.http(Self.filter("health_check.v3.HealthCheck", fields)))
        #expect(found.count == 1 && found[0].contains(place), "\(found)")
    }

    // MARK: - Tokens

    private static let keys = "local_jwks: {inline_string: '{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQ\"}]}'}"

    private static func jwt(
        _ provider: String, _ more: String = "rules: [{match: {prefix: /}, requires: {provider_name: p}}]"
    ) -> String {
        http(filter("jwt_authn.v3.JwtAuthentication", "providers: {p: {\(provider)}}, \(more)"))
    }

    @Test func tokens() throws {
        let provider =
            "issuer: i, audiences: [a], subjects: {prefix: s}, require_expiration: true, max_lifetime: 5s, forward: true, "
            + "from_headers: [{name: X-H, value_prefix: V}], from_params: [q], from_cookies: [c], clock_skew_seconds: 9, "
            + "forward_payload_header: X-P, pad_forward_payload_header: true, claim_to_headers: [{header_name: h, claim_name: c.d}], "
            + "jwt_cache_config: {}, remote_jwks: {http_uri: {uri: \"https://k:1/p?q#f\", cluster: a, timeout: 3s}, cache_duration: 8s, "
            + "async_fetch: {failed_refetch_duration: 2s, fast_listener: true}}"
        let text = Self.jwt(
            provider,
            "rules: [{match: {prefix: /}, requires: {requires_any: {requirements: [{provider_and_audiences: {provider_name: p, "
                + "audiences: [x]}}, {allow_missing: {}}]}}}, {match: {path: /n}, requirement_name: n}, {match: {path: /o}}], "
                + "requirement_map: {n: {allow_missing_or_failed: {}}}, bypass_cors_preflight: true, strip_failure_response: true, "
                + "stat_prefix: s")
        guard case .jwt(let spec)? = try Self.spec(text).filters.first?.kind, let one = spec.providers.first,
            case .remote(let remote) = one.keys
        else {
            Issue.record("no filter")
            return
        }
        #expect(one.name == "p" && one.issuer == "i" && one.audiences == ["a"] && one.subjects != nil && one.forwards)
        #expect(one.requiresExpiration && one.maxLifetime == .seconds(5) && one.clockSkew == .seconds(9))
        #expect(
            one.headers.map(\.name) == ["x-h"] && one.parameters == ["q"] && one.cookies == ["c"] && one.padsPayload)
        #expect(one.payloadHeader == "X-P" && one.claims.map(\.claim) == ["c.d"])
        #expect(one.cache == .init(tokens: 100, maxTokenBytes: 4096))
        #expect(remote.authority == "k:1" && remote.path == "/p?q" && remote.timeout == .seconds(3) && remote.isAhead)
        #expect(remote.duration == .seconds(8) && remote.failedPause == .seconds(2))
        #expect(spec.bypassesPreflights && spec.isSilent && spec.statPrefix == "s" && spec.rules.count == 3)
        #expect(spec.rules.map { $0.requirement == nil } == [false, false, true])
    }

    @Test(arguments: [
        ("issuer: i", "local_jwks"), ("local_jwks: {inline_string: '{}'}", "Jwks does not have [keys] field"),
        ("local_jwks: {filename: /nonexistent/keys}", "local_jwks.filename"),
        (
            "local_jwks: {inline_string: '{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQ\"}]}', watched_directory: {path: /}}",
            "watched_directory"
        ),
        ("remote_jwks: {http_uri: {uri: nonsense, cluster: a, timeout: 1s}}", "http_uri.uri"),
        (
            "remote_jwks: {http_uri: {uri: \"http://x\", cluster: nobody, timeout: 1s}}",
            "there is no cluster \"nobody\""
        ),
        ("remote_jwks: {http_uri: {uri: \"http://x\", cluster: a, timeout: 1s}, retry_policy: {}}", "retry_policy"),
        ("\(keys), payload_in_metadata: x", "payload_in_metadata"),
        ("\(keys), header_in_metadata: x", "header_in_metadata"),
        ("\(keys), failed_status_in_metadata: x", "failed_status_in_metadata"),
        ("\(keys), clear_route_cache: true", "clear_route_cache"),
        ("\(keys), failed_status_in_metadata: x", "failed_status_in_metadata"),
        ("\(keys), clear_route_cache: true", "clear_route_cache"),
        ("\(keys), normalize_payload_in_metadata: {}", "normalize_payload_in_metadata"),
        ("\(keys), forward_payload_header: \":path\"", "forward_payload_header"),
        ("\(keys), claim_to_headers: [{header_name: Host, claim_name: c}]", "claim_to_headers[0].header_name"),
    ])
    func providersThatCannotBe(fields: String, place: String) {
        let found = errors(Self.jwt(fields))
        #expect(found.count == 1 && found[0].contains(place), "\(found)")
    }

    @Test(arguments: [
        ("rules: [{match: {prefix: /}, requires: {provider_name: q}}]", "there is no provider \"q\""),
        ("rules: [{match: {prefix: /}, requirement_name: q}]", "there is no requirement \"q\""),
        (
            "requirement_map: {n: {provider_and_audiences: {provider_name: q, audiences: [a]}}}",
            "there is no provider \"q\""
        ),
        ("filter_state_rules: {name: n}", "filter_state_rules"),
    ])
    func rulesThatCannotBe(fields: String, problem: String) {
        let found = errors(Self.jwt(Self.keys, fields))
        #expect(found.count == 1 && found[0].contains(problem), "\(found)")
    }

    @Test func routesAskForTokens() throws {
        let filter = Self.filter("jwt_authn.v3.JwtAuthentication", "providers: {p: {\(Self.keys)}}")
        let cases: [(String, (HTTPFilterOverride) -> Bool)] = [
            ("disabled: true", { if case .jwt(.disabled) = $0 { true } else { false } }),
            ("requirement_name: r", { if case .jwt(.requirement("r")) = $0 { true } else { false } }),
        ]
        for (fields, fits) in cases {
            let spec = try Self.spec(Self.http(filter, route: Self.routed("jwt_authn.v3.PerRouteConfig", fields)))
            #expect(fits(try Self.override(spec)), "\(fields)")
        }
        let text = Self.http(filter, route: Self.routed("jwt_authn.v3.PerRouteConfig", "requirement_name: r"))
        #expect(try loaded(text).warnings.contains { $0.description.contains("requirement_map has no \"r\"") })
    }
}

// Routes: what they become, and what is wrong with them.
import DataPlane
import Testing

@testable import Configuration

@Suite struct RouteTests {
    private func route(_ text: String) throws -> RouteSpec {
        let spec = try loaded(http(route: text)).spec
        guard case .http(let manager)? = spec.listeners.first?.filterChains.first?.filter else {
            throw Missing()
        }
        return try #require(manager.routes.virtualHosts.first?.routes.first)
    }

    private struct Missing: Error {}

    @Test func everyFieldOfAForwardingRoute() throws {
        let spec = try route(
            """
            name: r, match: {prefix: /a, headers: [{name: X-A, string_match: {exact: b}}]}, route: {cluster: a,
             timeout: 3s, idle_timeout: 0s, prefix_rewrite: /b, host_rewrite_literal: h, priority: high,
             retry_policy: {retry_on: "5xx, reset", num_retries: 2, per_try_timeout: 1s,
             retry_back_off: {base_interval: 0.1s}}}, request_headers_to_add: [{header: {key: x, value: y},
             append_action: OVERWRITE_IF_EXISTS_OR_ADD}], response_headers_to_remove: [Server]
            """.replacingLines())
        #expect(spec.name == "r")
        #expect(spec.match.headers.first?.name == "x-a")
        #expect(spec.headers.requestAdd.first?.action == .overwriteIfExistsOrAdd)
        #expect(spec.headers.responseRemove == ["server"])
        guard case .forward(let forward) = spec.action else {
            Issue.record("no forward")
            return
        }
        #expect(forward.timeout == .seconds(3))
        #expect(forward.idleTimeout == .zero)
        #expect(forward.priority == .high)
        let retry = try #require(forward.retryPolicy)
        #expect(retry.conditions == [.serverError, .reset])
        #expect(retry.numRetries == 2)
        #expect(retry.backoff == BackoffSpec(base: .milliseconds(100), max: .seconds(1)))
    }

    @Test func everyFieldOfAnInternalRedirectPolicy() throws {
        let type = "type.googleapis.com/envoy.extensions.internal_redirect."
        let spec = try route(
            """
            match: {prefix: /}, route: {cluster: a, internal_redirect_policy: {max_internal_redirects: 3,
             redirect_response_codes: [301, 200, 307], allow_cross_scheme_redirect: true,
             response_headers_to_copy: [X-A], predicates: [
             {name: a, typed_config: {"@type": \(type)previous_routes.v3.PreviousRoutesConfig}},
             {name: b, typed_config: {"@type": \(type)safe_cross_scheme.v3.SafeCrossSchemeConfig}},
             {name: c, typed_config: {"@type": \(type)allow_listed_routes.v3.AllowListedRoutesConfig,
             allowed_route_names: [r]}}]}}
            """.replacingLines())
        guard case .forward(let forward) = spec.action, let policy = forward.redirects else {
            Issue.record("no policy")
            return
        }
        #expect(policy.limit == 3 && policy.statuses == [301, 307] && policy.allowsOtherScheme)
        #expect(policy.headersToCopy == ["x-a"])
        #expect(policy.predicates == [.previousRoutes, .safeCrossScheme, .allowListed(["r"])])
        guard
            case .forward(let plain) = try route(
                "match: {prefix: /}, route: {cluster: a, internal_redirect_policy: {}}"
            ).action, let defaults = plain.redirects
        else {
            Issue.record("no policy")
            return
        }
        #expect(defaults.limit == 1 && defaults.statuses == [302] && !defaults.allowsOtherScheme)
    }

    @Test func everyFieldOfAMirror() throws {
        let spec = try route(
            """
            match: {prefix: /}, route: {cluster: a, request_mirror_policies: [{cluster: a, trace_sampled: false,
             runtime_fraction: {default_value: {numerator: 5}, runtime_key: k}, host_rewrite_literal: h,
             request_headers_mutations: [{remove: X-A}, {append: {header: {key: x, value: y}}},
             {remove_on_match: {key_matcher: {prefix: x-}}}]},
             {cluster_header: X-To, disable_shadow_host_suffix_append: true}]}
            """.replacingLines())
        guard case .forward(let forward) = spec.action, let mirrors = forward.mirrors, mirrors.count == 2 else {
            Issue.record("no mirrors")
            return
        }
        guard case .cluster("a") = mirrors[0].target, case .clusterHeader("x-to") = mirrors[1].target else {
            Issue.record("other targets")
            return
        }
        #expect(mirrors[0].fraction == RuntimeFraction(Fraction(numerator: 5, denominator: 100), key: "k"))
        #expect(mirrors[0].isSampled == false && mirrors[1].isSampled == nil && mirrors[1].fraction == nil)
        #expect(mirrors.map(\.host) == [.literal("h"), .unchanged])
        guard case .remove("x-a") = mirrors[0].headerChanges[0], case .add = mirrors[0].headerChanges[1],
            case .removeMatching = mirrors[0].headerChanges[2]
        else {
            Issue.record("other changes")
            return
        }
    }

    @Test(arguments: [
        ("match: {prefix: /}, route: {cluster: a, timeout: 0s}", Optional<Int>.none),
        ("match: {prefix: /}, route: {cluster: a}", 15),
        ("match: {prefix: /}, route: {cluster: a, timeout: 4s}", 4),
    ])
    func routeTimeout(text: String, seconds: Int?) throws {
        guard case .forward(let forward) = try route(text).action else { return }
        #expect(forward.timeout == seconds.map { .seconds(Int64($0)) })
    }

    private static let problems: [(String, String)] = [
        (
            "match: {prefix: /}, route: {cluster: a, request_mirror_policies: [{cluster: a, cluster_header: b}]}",
            ".route.request_mirror_policies[0]: one of cluster and cluster_header is required, and only one may be set"
        ),
        (
            "match: {prefix: /}, route: {cluster: a, request_mirror_policies: [{cluster: b}]}",
            ".route.request_mirror_policies[0].cluster: there is no cluster \"b\"; did you mean \"a\"?"
        ),
        (
            "match: {prefix: /}, route: {cluster: b}",
            ".route.cluster: there is no cluster \"b\"; did you mean \"a\"?"
        ),
        (
            "match: {safe_regex: {regex: \"[\"}}, route: {cluster: a}",
            ".match.safe_regex.regex: invalid regex '[': missing ]: ["
        ),
        (
            "match: {path_separated_prefix: a}, route: {cluster: a}",
            ".match.path_separated_prefix: \"a\" does not match ^[^?#]+[^?#/]$"
        ),
        (
            "match: {path_separated_prefix: ab}, route: {cluster: a}",
            ".match.path_separated_prefix: must begin with /, found \"ab\""
        ),
        (
            "match: {path_separated_prefix: /a/}, route: {cluster: a}",
            ".match.path_separated_prefix: \"/a/\" does not match ^[^?#]+[^?#/]$"
        ),
        (
            "match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a}, {name: a, weight: 1}]}}",
            ".route.weighted_clusters.clusters[0].weight: is required"
        ),
        (
            "match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: 0}]}}",
            ".route.weighted_clusters.clusters: the sum of the weights must be greater than 0"
        ),
        (
            "match: {prefix: /}, route: {weighted_clusters: {clusters: [{weight: 1}]}}",
            """
            .route.weighted_clusters.clusters[0]: one of name and cluster_header is required, and only one \
            may be set
            """
        ),
        (
            """
            match: {prefix: /}, route: {cluster: a, prefix_rewrite: /x, regex_rewrite: {pattern: {regex: \
            a}, substitution: b}}
            """,
            ".route.regex_rewrite: only one of prefix_rewrite and regex_rewrite may be set"
        ),
        (
            "match: {prefix: /}, route: {cluster: a, retry_policy: {retry_on: \"5xx,connect-failed\"}}",
            """
            .route.retry_policy.retry_on: "connect-failed" is not a retry condition; did you mean \
            "connect-failure"?
            """
        ),
        (
            """
            match: {prefix: /}, route: {cluster: a, retry_policy: {retry_back_off: {base_interval: 2s, \
            max_interval: 1s}}}
            """,
            ".route.retry_policy.retry_back_off.max_interval: must be at least base_interval (2s), found 1s"
        ),
        (
            "match: {prefix: /}, route: {cluster: a, retry_policy: {retry_host_predicate: [{name: x}]}}",
            """
            .route.retry_policy.retry_host_predicate[0].typed_config: is required: extensions are chosen \
            by the type of their config
            """
        ),
        (
            "match: {prefix: /}, route: {cluster: a, upgrade_configs: [{upgrade_type: a}, {upgrade_type: A}]}",
            ".route.upgrade_configs[1]: \"A\" is in the list twice"
        ),
        (
            "match: {prefix: /}, redirect: {port_redirect: 70000}",
            ".redirect.port_redirect: must be a port, from 0 to 65535, found 70000"
        ),
        (
            "match: {prefix: /}, direct_response: {status: 99}",
            ".direct_response.status: must be at least 200, found 99"
        ),
        (
            "match: {prefix: /}, direct_response: {status: 200, body: {filename: /no/such}}",
            ".direct_response.body.filename: \"/no/such\" cannot be read: No such file or directory"
        ),
        (
            "match: {prefix: /}, route: {cluster: a}, request_headers_to_add: [{header: {key: Host, value: x}}]",
            ".request_headers_to_add[0].header.key: \"Host\" cannot be changed by this list"
        ),
        (
            "match: {prefix: /}, route: {cluster: a}, request_headers_to_remove: [\":path\"]",
            ".request_headers_to_remove[0]: \":path\" cannot be removed"
        ),
        (
            "match: {prefix: /}, name: n",
            ": one of route, redirect, direct_response is required"
        ),
        (
            "match: {prefix: /}, route: {cluster: a}, response_headers_to_add: [{header: {key: x, value: \"%NOPE%\"}}]",
            ".response_headers_to_add[0].header.value: unknown operator NOPE (at byte 0 of the format)"
        ),
        (
            "match: {}, route: {cluster: a}",
            ".match: one of prefix, path, safe_regex, connect_matcher, path_separated_prefix is required"
        ),
    ]

    @Test(arguments: problems)
    func namesWhatIsWrong(text: String, expected: String) {
        let found = errors(http(route: text))
        #expect(found.map { String($0.drop { $0 != " " }.dropFirst()) } == [routePath + expected])
        #expect(found.allSatisfy { $0.hasPrefix("f:13:") })
    }

    @Test func directResponsesAreBounded() {
        let body = String(repeating: "x", count: 4097)
        let found = errors(
            http(route: "match: {prefix: /}, direct_response: {status: 200, body: {inline_string: \(body)}}"))
        #expect(found.count == 1)
        #expect(found.first?.hasSuffix("has 4097 bytes; max_direct_response_body_size_bytes allows 4096") == true)
    }

    @Test func namesAndDomainsAreUnique() {
        let found = errors(
            http(
                hosts:
                    "{name: v, domains: [\"a.b\", \"*\"]},\n{name: v, domains: [\"A.b\"]},\n{name: w, domains: [\"*\"]}"
            ))
        let hosts = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts"
        #expect(
            found == [
                "f:14:20: \(hosts)[1].name: \"v\" is the name of another virtual host (line 13)",
                "f:14:33: \(hosts)[1].domains[0]: \"A.b\" is a domain of another virtual host (line 13)",
                "f:15:33: \(hosts)[2].domains[0]: \"*\" is a domain of another virtual host (line 13)",
            ])
    }

    @Test func clustersAreNotCheckedWhenToldSo() {
        let text = http(route: "match: {prefix: /}, route: {cluster: later}")
            .split(separator: "route_config: {").joined(separator: "route_config: {validate_clusters: false, ")
        #expect(errors(text) == [])
    }
}

extension String {
    /// In one line, so that positions stay on the line of the route.
    fileprivate func replacingLines() -> String { split(separator: "\n").joined() }
}

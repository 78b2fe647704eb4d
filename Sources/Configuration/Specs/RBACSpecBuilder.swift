// Role-based access control.
import DataPlane
import EnvoyAPI
import Matching
import Reactor

struct RBACSpecBuilder {
    let context: SpecContext
    /// Requests are judged, and not connections, which have no headers.
    let hasHeaders: Bool

    /// nil where the message is not set.
    func rules(_ rules: API.RBACRules, isSet: Bool, _ path: FieldPath) -> RBACRulesSpec? {
        guard isSet else { return nil }
        let action: RBACRulesSpec.Action
        switch rules.action {
        case .deny: action = .deny
        case .log: action = .log
        default: action = .allow
        }
        let policies = rules.policies.map { name, policy in
            let path = path.field("policies").key(name)
            return RBACPolicySpec(
                name: name,
                permissions: policy.permissions.enumerated().map {
                    permission($1, path.field("permissions")[$0])
                },
                principals: policy.principals.enumerated().map { principal($1, path.field("principals")[$0]) })
        }
        return RBACRulesSpec(action: action, policies: policies)
    }

    func http(_ filter: API.HTTPRBAC, _ path: FieldPath) -> HTTPRBACSpec {
        var spec = HTTPRBACSpec()
        spec.rules = rules(filter.rules, isSet: filter.hasRules, path.field("rules"))
        spec.rulesStatPrefix = filter.rulesStatPrefix
        spec.shadowRules = rules(filter.shadowRules, isSet: filter.hasShadowRules, path.field("shadow_rules"))
        spec.shadowStatPrefix = filter.shadowRulesStatPrefix
        spec.tracksPolicies = filter.trackPerRuleStats
        return spec
    }

    func network(_ filter: API.NetworkRBAC, _ path: FieldPath) -> NetworkRBACSpec {
        var spec = NetworkRBACSpec(statPrefix: filter.statPrefix)
        spec.rules = rules(filter.rules, isSet: filter.hasRules, path.field("rules"))
        spec.shadowRules = rules(filter.shadowRules, isSet: filter.hasShadowRules, path.field("shadow_rules"))
        spec.shadowStatPrefix = filter.shadowRulesStatPrefix
        spec.denyDelay = context.timeout(filter.delayDeny, isSet: filter.hasDelayDeny)
        return spec
    }

    // MARK: - Conditions

    /// What has a problem stands for nothing: the file is refused.
    private static let refused = RBACConditionSpec.either([])

    private func permission(_ permission: API.Permission, _ path: FieldPath) -> RBACConditionSpec {
        switch permission.rule {
        case .andRules(let set)?: return .all(permissions(set, path.field("and_rules")))
        case .orRules(let set)?: return .either(permissions(set, path.field("or_rules")))
        case .notRule(let inner)?: return .not(self.permission(inner, path.field("not_rule")))
        case .any?: return .always
        case .header(let matcher)?: return header(matcher, path.field("header"))
        case .urlPath(let matcher)?: return urlPath(matcher, path.field("url_path"))
        case .destinationIp(let range)?:
            return self.range(range, path.field("destination_ip")).map { .destinationIP($0) } ?? Self.refused
        case .destinationPort(let port)?:
            let port = Int(context.port(port, path.field("destination_port")))
            return .destinationPorts(start: port, end: port + 1)
        case .destinationPortRange(let range)?: return ports(range, path.field("destination_port_range"))
        case .requestedServerName(let matcher)?:
            let path = path.field("requested_server_name")
            return context.matcher(matcher, path).map { .serverName($0) } ?? Self.refused
        // These are refused by name already.
        case .metadata?, .matcher?, .uriTemplate?, .sourcedMetadata?, nil: return Self.refused
        }
    }

    private func permissions(_ set: API.Permission.Set, _ path: FieldPath) -> [RBACConditionSpec] {
        set.rules.enumerated().map { permission($1, path.field("rules")[$0]) }
    }

    private func principal(_ principal: API.Principal, _ path: FieldPath) -> RBACConditionSpec {
        switch principal.identifier {
        case .andIds(let set)?: return .all(principals(set, path.field("and_ids")))
        case .orIds(let set)?: return .either(principals(set, path.field("or_ids")))
        case .notID(let inner)?: return .not(self.principal(inner, path.field("not_id")))
        case .any?: return .always
        case .authenticated(let who)?:
            guard who.hasPrincipalName else { return .authenticated(nil) }
            let path = path.field("authenticated.principal_name")
            return context.matcher(who.principalName, path).map { .authenticated($0) } ?? Self.refused
        case .sourceIp(let range)?: return client(.connection, range, path.field("source_ip"))
        case .directRemoteIp(let range)?: return client(.direct, range, path.field("direct_remote_ip"))
        case .remoteIp(let range)?: return client(.trusted, range, path.field("remote_ip"))
        case .header(let matcher)?: return header(matcher, path.field("header"))
        case .urlPath(let matcher)?: return urlPath(matcher, path.field("url_path"))
        case .metadata?, .filterState?, .sourcedMetadata?, .custom?, nil: return Self.refused
        }
    }

    private func principals(_ set: API.Principal.Set, _ path: FieldPath) -> [RBACConditionSpec] {
        set.ids.enumerated().map { principal($1, path.field("ids")[$0]) }
    }

    private func header(_ matcher: API.HeaderMatcher, _ path: FieldPath) -> RBACConditionSpec {
        if !hasHeaders { context.bad(path, "a connection has no headers; envoy.filters.http.rbac looks at requests") }
        return RouteMatchSpecBuilder(context: context).header(matcher, path).map { .header($0) } ?? Self.refused
    }

    private func urlPath(_ matcher: API.PathMatcher, _ path: FieldPath) -> RBACConditionSpec {
        if !hasHeaders { context.bad(path, "a connection has no path; envoy.filters.http.rbac looks at requests") }
        return context.matcher(matcher.path, path.field("path")).map { .urlPath($0) } ?? Self.refused
    }

    private func range(_ range: API.CIDR, _ path: FieldPath) -> CIDRRange? { context.ranges([range], path).first }

    private func client(
        _ address: RBACConditionSpec.ClientAddress, _ range: API.CIDR, _ path: FieldPath
    ) -> RBACConditionSpec {
        self.range(range, path).map { .client(address, $0) } ?? Self.refused
    }

    private func ports(_ range: API.PortRange, _ path: FieldPath) -> RBACConditionSpec {
        if range.start < 0 || range.end > 65_536 || range.start >= range.end {
            context.bad(path, "must be a range of ports, its end behind it, found \(range.start) to \(range.end)")
        }
        return .destinationPorts(start: Int(range.start), end: max(Int(range.start), Int(range.end)))
    }
}

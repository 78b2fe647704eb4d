// Role-based access control: rules, and the filters that enforce them.
import Matching
import Reactor

/// `envoy.config.rbac.v3.RBAC`.
public struct RBACRulesSpec: Sendable {
    public enum Action: Sendable {
        /// What a policy matches is let through, and nothing else.
        case allow
        /// What a policy matches is refused, and nothing else.
        case deny
        /// Everything is let through; whether a policy matches is noted for access logs.
        case log
    }

    public var action: Action
    /// By name in the order of its bytes: the first that matches counts, as in Envoy.
    public var policies: [RBACPolicySpec]

    public init(action: Action, policies: [RBACPolicySpec]) {
        self.action = action
        self.policies = policies.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}

/// `envoy.config.rbac.v3.Policy`: matches where one permission and one principal do.
public struct RBACPolicySpec: Sendable {
    public var name: String
    public var permissions: [RBACConditionSpec]
    public var principals: [RBACConditionSpec]

    public init(name: String, permissions: [RBACConditionSpec], principals: [RBACConditionSpec]) {
        self.name = name
        self.permissions = permissions
        self.principals = principals
    }
}

/// `envoy.config.rbac.v3.Permission` and `Principal`.
public indirect enum RBACConditionSpec: Sendable {
    /// `any`.
    case always
    case all([RBACConditionSpec])
    case either([RBACConditionSpec])
    case not(RBACConditionSpec)
    case header(HeaderMatchSpec)
    /// The path without query and fragment.
    case urlPath(StringMatcher)
    case destinationIP(CIDRRange)
    /// `[start, end)`.
    case destinationPorts(start: Int, end: Int)
    case serverName(StringMatcher)
    /// Over TLS; with a matcher: a URI SAN, a DNS SAN or the subject of the client's certificate matches.
    case authenticated(StringMatcher?)
    case client(ClientAddress, CIDRRange)

    /// Which of a client's addresses.
    public enum ClientAddress: Sendable {
        /// `direct_remote_ip`: the peer of the socket.
        case direct
        /// `source_ip`: the peer, as PROXY protocol tells it.
        case connection
        /// `remote_ip`: the client, as trusted headers tell it.
        case trusted
    }
}

/// `envoy.extensions.filters.http.rbac.v3.RBAC`.
public struct HTTPRBACSpec: Sendable {
    /// nil: nothing is enforced.
    public var rules: RBACRulesSpec?
    public var rulesStatPrefix = ""
    /// Judged and counted, and not enforced.
    public var shadowRules: RBACRulesSpec?
    public var shadowStatPrefix = ""
    public var tracksPolicies = false

    public init() {}
}

/// `envoy.extensions.filters.network.rbac.v3.RBAC`.
public struct NetworkRBACSpec: Sendable {
    public var statPrefix: String
    public var rules: RBACRulesSpec?
    public var shadowRules: RBACRulesSpec?
    public var shadowStatPrefix = ""
    /// How long a refused connection is held, unread, before it is closed.
    public var denyDelay: TimeAmount?

    public init(statPrefix: String) { self.statPrefix = statPrefix }
}

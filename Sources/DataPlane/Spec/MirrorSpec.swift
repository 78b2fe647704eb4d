// Request mirroring: where copies of requests go, which of them, and how their heads differ.
import Matching

/// `envoy.config.route.v3.RouteAction.RequestMirrorPolicy`.
public struct MirrorPolicySpec: Sendable {
    public enum Target: Sendable {
        case cluster(String)
        /// Lower-case header whose value names the cluster.
        case clusterHeader(String)
    }
    public enum Host: Sendable, Equatable {
        /// `-shadow` behind the host's name.
        case marked
        /// `disable_shadow_host_suffix_append`: as the request has it.
        case unchanged
        /// `host_rewrite_literal`.
        case literal(String)
    }

    public var target: Target
    /// nil: all requests.
    public var fraction: RuntimeFraction?
    public var host = Host.marked
    /// `request_headers_mutations`, in order.
    public var headerChanges: [HeaderChangeSpec] = []
    /// `trace_sampled`; nil: as the request is.
    public var isSampled: Bool?

    public init(target: Target) { self.target = target }
}

/// `envoy.config.common.mutation_rules.v3.HeaderMutation`.
public enum HeaderChangeSpec: Sendable {
    /// Lower case.
    case remove(String)
    case add(HeaderAddSpec)
    /// Fields whose names match in lower case.
    case removeMatching(StringMatcher)
}

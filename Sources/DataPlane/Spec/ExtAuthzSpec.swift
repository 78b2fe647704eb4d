// External authorization: a service that is asked about each request.
import Matching
import Reactor

/// `envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`.
public struct ExtAuthzSpec: Sendable {
    public enum Service: Sendable {
        /// `envoy.service.auth.v3.Authorization`.
        case grpc(GRPCServiceSpec)
        case http(HTTPAuthorizationSpec)
    }

    /// `BufferSettings`: the service sees so much of a request's body.
    public struct Body: Sendable, Equatable {
        public var maxBytes: Int
        /// A longer body is cut; else its request is answered with 413.
        public var allowsPartial: Bool
        /// `raw_body` of a gRPC question and not `body`.
        public var isBinary: Bool

        public init(maxBytes: Int, allowsPartial: Bool = false, isBinary: Bool = false) {
            self.maxBytes = maxBytes
            self.allowsPartial = allowsPartial
            self.isBinary = isBinary
        }
    }

    public var service: Service
    /// Behind `ext_authz.` in the names of stats; may be empty.
    public var statPrefix = ""
    /// Without an answer requests go on.
    public var failureModeAllow = false
    /// They have `x-envoy-auth-failure-mode-allowed` then.
    public var marksAllowedFailures = false
    /// Of the answer to a request about which there is none.
    public var statusOnError = 403
    /// nil: the service does not see bodies.
    public var body: Body?
    /// The route is chosen anew for a request that the service has changed.
    public var clearsRoute = false
    /// The fields of a request that the service sees; nil: all.
    public var allowedHeaders: [StringMatcher]?
    /// None of these.
    public var disallowedHeaders: [StringMatcher] = []
    public var includesPeerCertificate = false
    public var includesTLSSession = false
    /// Of all requests.
    public var enabled = RuntimeFraction(.always)
    /// The others are refused.
    public var deniesWhenDisabled = false
    /// A refusal counts among the responses of the route's cluster.
    public var chargesCluster = true

    public init(service: Service) { self.service = service }
}

/// `HttpService`: asked by requests like those that it is asked about.
public struct HTTPAuthorizationSpec: Sendable {
    public var cluster: String
    public var timeout: TimeAmount?
    public var pathPrefix = ""
    /// On what the service is sent.
    public var headersToAdd: [HeaderAddSpec] = []
    /// Fields of its answer that replace those of the request, and that are added to it.
    public var upstreamHeaders: [StringMatcher] = []
    public var upstreamHeadersToAppend: [StringMatcher] = []
    /// Fields of a refusal that the client sees; nil: all.
    public var clientHeaders: [StringMatcher]?
    /// Fields of an answer that lets the request pass which the client sees with its response.
    public var clientHeadersOnSuccess: [StringMatcher] = []

    public init(cluster: String, timeout: TimeAmount?) {
        self.cluster = cluster
        self.timeout = timeout
    }
}

/// `ExtAuthzPerRoute`.
public struct ExtAuthzOverrideSpec: Sendable {
    public enum BodyRule: Sendable, Equatable {
        /// As the connection manager has it.
        case inherited
        case replaced(ExtAuthzSpec.Body?)
    }

    public var contextExtensions: [String: String] = [:]
    public var body = BodyRule.inherited

    public init() {}
}

// JSON Web Tokens: who may issue them, where they are found, and which requests need one.
import Matching
import Reactor

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`.
public struct JWTAuthnSpec: Sendable {
    /// By name, in the order of their names.
    public var providers: [JWTProviderSpec] = []
    /// The first whose match fits the request counts; without a requirement it needs no token.
    public var rules: [(match: RouteMatchSpec, requirement: JWTRequirementSpec?)] = []
    /// `requirement_map`: what routes may ask for.
    public var requirements: [String: JWTRequirementSpec] = [:]
    public var bypassesPreflights = false
    /// `strip_failure_response`: clients are not told why.
    public var isSilent = false
    /// Behind `http.<prefix>.jwt_authn.`.
    public var statPrefix = ""

    public init() {}
}

/// `JwtProvider`.
public struct JWTProviderSpec: Sendable {
    public enum Keys: Sendable {
        /// The text of a key set that was found to have keys.
        case local([UInt8])
        /// The same from a file that is followed.
        case file(KeySetFile)
        case remote(RemoteKeysSpec)
    }

    public struct Header: Sendable {
        /// Lower case.
        public var name: String
        public var prefix: String
        public init(name: String, prefix: String) {
            self.name = name
            self.prefix = prefix
        }
    }

    public var name: String
    /// Empty: everybody.
    public var issuer = ""
    public var keys: Keys
    /// Empty: all.
    public var audiences: [String] = []
    public var subjects: StringMatcher?
    public var requiresExpiration = false
    /// How much longer a token may be good, at most.
    public var maxLifetime: TimeAmount?
    public var clockSkew = TimeAmount.seconds(60)
    public var headers: [Header] = []
    public var parameters: [String] = []
    public var cookies: [String] = []
    /// The app sees the token, too.
    public var forwards = false
    /// The payload's header; empty: it is not told.
    public var payloadHeader = ""
    public var padsPayload = false
    /// Claims that become headers; names of claims lead into objects by dots.
    public var claims: [(header: String, claim: String)] = []
    /// Verified tokens that are remembered; nil: none.
    public var cache: Cache?

    public struct Cache: Sendable, Equatable {
        public var tokens: Int
        /// Bytes; longer ones are not remembered.
        public var maxTokenBytes: Int
        public init(tokens: Int, maxTokenBytes: Int) {
            self.tokens = tokens
            self.maxTokenBytes = maxTokenBytes
        }
    }

    public init(name: String, keys: Keys) {
        self.name = name
        self.keys = keys
    }
}

/// `RemoteJwks`.
public struct RemoteKeysSpec: Sendable {
    public var cluster: String
    public var authority: String
    public var path: String
    public var timeout: TimeAmount?
    /// How long keys are good: 10 minutes.
    public var duration = TimeAmount.seconds(600)
    /// `async_fetch`: keys are fetched before a request needs them. nil: when one does.
    public var isAhead = false
    /// After a fetch that failed, until the next.
    public var failedPause = TimeAmount.seconds(1)

    public init(cluster: String, authority: String, path: String) {
        self.cluster = cluster
        self.authority = authority
        self.path = path
    }
}

/// `JwtRequirement`.
public indirect enum JWTRequirementSpec: Sendable {
    case nothing
    /// `audiences` take the place of the provider's, where there are any.
    case provider(String, audiences: [String])
    case any([JWTRequirementSpec])
    case all([JWTRequirementSpec])
    case allowMissing
    case allowMissingOrFailed
}

/// `PerRouteConfig`.
public enum JWTRouteSpec: Sendable {
    case disabled
    case requirement(String)
}

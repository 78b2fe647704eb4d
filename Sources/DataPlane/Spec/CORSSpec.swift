// What routes say of requests from other origins.
import Matching

/// `CorsPolicy` of one level of the routes. What it leaves out, the next level says.
public struct CORSPolicySpec: Sendable {
    public var allowedOrigins: [StringMatcher] = []
    /// The values of the response's fields; empty: left out. `*` for methods and headers: what the client asks for.
    public var allowedMethods = ""
    public var allowedHeaders = ""
    public var exposedHeaders = ""
    public var maxAge = ""
    public var allowsCredentials: Bool?
    public var allowsPrivateNetworks: Bool?
    /// Preflights from origins that are not allowed go on to the app.
    public var forwardsOtherPreflights: Bool?
    public var enabled = RuntimeFraction(.always)
    /// Where the policy is not enabled: origins are counted and nothing else is done.
    public var shadowEnabled = RuntimeFraction(Fraction(numerator: 0, denominator: 100))

    public init() {}
}

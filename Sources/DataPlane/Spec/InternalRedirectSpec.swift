// Redirects that the proxy follows itself.

/// `envoy.config.route.v3.InternalRedirectPolicy`.
public struct InternalRedirectSpec: Sendable {
    public enum Predicate: Sendable, Equatable {
        /// `envoy.internal_redirect_predicates.previous_routes`: no route is come to twice from this one.
        case previousRoutes
        /// `envoy.internal_redirect_predicates.allow_listed_routes`.
        case allowListed([String])
        /// `envoy.internal_redirect_predicates.safe_cross_scheme`: not from http to https.
        case safeCrossScheme
    }

    /// Redirects of one request that are followed: 1.
    public var limit = 1
    /// Of 301, 302, 303, 307 and 308; as in Envoy only 302 when nothing is said.
    public var statuses = [302]
    public var predicates: [Predicate] = []
    /// `allow_cross_scheme_redirect`.
    public var allowsOtherScheme = false
    /// `response_headers_to_copy`, lower case: of the redirect into the request that follows it.
    public var headersToCopy: [String] = []

    public init() {}
}

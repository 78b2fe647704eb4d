// The filter that answers the health checks of the proxy's clients.
import Reactor

/// `envoy.extensions.filters.http.health_check.v3.HealthCheck`.
public struct HealthCheckFilterSpec: Sendable {
    /// Checks go on to the app, but for what is answered from the cache or while the proxy fails checks.
    public var passesThrough: Bool
    /// Requests whose headers pass all of these are checks.
    public var headers: [HeaderMatchSpec] = []
    /// nil: each check is asked anew.
    public var cache: CheckCache?
    /// `cluster_min_healthy_percentages`, by name.
    public var minHealthy: [(cluster: String, percent: Double)] = []

    public init(passesThrough: Bool) { self.passesThrough = passesThrough }
}

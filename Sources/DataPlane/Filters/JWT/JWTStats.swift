// What the filter for tokens counts: `http.<stat_prefix>.jwt_authn.`
import Metrics

/// Handles on its stats. Loop thread only.
struct JWTStats {
    let allowed, denied, preflightBypassed: Counter
    let fetchSucceeded, fetchFailed: Counter
    let cacheHit, cacheMiss: Counter

    /// - Parameter ownPrefix: the filter's `stat_prefix`; may be empty.
    init(_ cells: StatCells, statPrefix: String, ownPrefix: String) {
        let own = ownPrefix.isEmpty || ownPrefix.hasSuffix(".") ? ownPrefix : ownPrefix + "."
        func counter(_ name: String) -> Counter { cells.counter("http.\(statPrefix).jwt_authn.\(own)\(name)") }
        allowed = counter("allowed")
        denied = counter("denied")
        preflightBypassed = counter("cors_preflight_bypassed")
        fetchSucceeded = counter("jwks_fetch_success")
        fetchFailed = counter("jwks_fetch_failed")
        cacheHit = counter("jwt_cache_hit")
        cacheMiss = counter("jwt_cache_miss")
    }
}

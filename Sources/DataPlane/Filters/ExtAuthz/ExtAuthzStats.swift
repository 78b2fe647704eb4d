// What an external authorization filter counts: `http.<prefix>.ext_authz.` and, by the route's cluster,
// `cluster.<name>.ext_authz.`
import Metrics

/// Loop thread only.
final class ExtAuthzStats {
    /// What can become of a request that the service was asked about.
    enum Outcome: Int, CaseIterable {
        case ok, denied, error, failureModeAllowed

        var name: String {
            switch self {
            case .ok: "ok"
            case .denied: "denied"
            case .error: "error"
            case .failureModeAllowed: "failure_mode_allowed"
            }
        }
    }

    let disabled: Counter
    let ignoredMetadata: Counter
    private let outcomes: [Counter]
    private let clusters: RouteClusterCounters

    init(_ cells: StatCells, statPrefix: String, ownPrefix: String) {
        let suffix = ".ext_authz." + (ownPrefix.isEmpty ? "" : ownPrefix + ".")
        let prefix = "http.\(statPrefix)\(suffix)"
        clusters = RouteClusterCounters(cells, Outcome.allCases.map { suffix + $0.name })
        disabled = cells.counter(prefix + "disabled")
        ignoredMetadata = cells.counter(prefix + "ignored_dynamic_metadata")
        outcomes = Outcome.allCases.map { cells.counter(prefix + $0.name) }
        // Envoy shows them from the start; nothing here moves them.
        for name in [
            "filter_state_name_collision", "invalid", "omitted_response_headers", "request_header_limits_reached",
            "response_header_limits_reached", "shadow_denied", "shadow_error",
        ] { _ = cells.counter(prefix + name) }
    }

    func count(_ outcome: Outcome, _ upstream: UpstreamInfo) {
        outcomes[outcome.rawValue].increment()
        clusters.increment(outcome.rawValue, upstream)
    }
}

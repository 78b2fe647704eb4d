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
    private let cells: StatCells
    private let suffix: String
    /// By the cluster's name in stats: as many as clusters that routes lead to.
    private var clusters: [String: [Counter?]] = [:]

    init(_ cells: StatCells, statPrefix: String, ownPrefix: String) {
        self.cells = cells
        suffix = ".ext_authz." + (ownPrefix.isEmpty ? "" : ownPrefix + ".")
        let prefix = "http.\(statPrefix)\(suffix)"
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
        guard !upstream.clusterName.isEmpty else { return }
        let name = ClusterShared.statName(upstream.clusterName, upstream.clusterAlias)
        var counters = clusters[name] ?? Outcome.allCases.map { _ in nil }
        let counter = counters[outcome.rawValue] ?? cells.counter("cluster.\(name)\(suffix)\(outcome.name)")
        counter.increment()
        counters[outcome.rawValue] = counter
        clusters[name] = counters
    }
}

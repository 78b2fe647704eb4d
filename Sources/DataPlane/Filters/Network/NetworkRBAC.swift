// The RBAC filter for connections.
import HTTPWire
import Metrics
import Reactor

/// `envoy.filters.network.rbac` on one worker.
struct NetworkRBAC {
    let statPrefix: String
    let denyDelay: TimeAmount?
    private let enforced: RBACEngine?
    private let shadow: RBACEngine?
    private let stats: RBACStats
    /// Connections have no headers.
    private let noHeaders = HeaderMap()

    init(_ spec: NetworkRBACSpec, _ cells: StatCells) {
        statPrefix = spec.statPrefix
        denyDelay = spec.denyDelay
        stats = RBACStats(
            cells, prefix: spec.statPrefix.hasSuffix(".") ? spec.statPrefix : spec.statPrefix + ".",
            shadowPrefix: spec.shadowStatPrefix)
        enforced = spec.rules.map {
            RBACEngine($0, notes: RBACNotes(RBACNotes.network, statPrefix: "", isShadow: false), policyStats: nil)
        }
        shadow = spec.shadowRules.map {
            RBACEngine(
                $0, notes: RBACNotes(RBACNotes.network, statPrefix: spec.shadowStatPrefix, isShadow: true),
                policyStats: nil)
        }
    }

    /// The verdict that turns a connection away; nil: it may pass.
    func judge(_ downstream: DownstreamInfo) -> RBACVerdict? {
        let question = question(downstream)
        if let shadow {
            let verdict = shadow.judge(question)
            stats.countShadow(verdict)
            for entry in verdict.note.entries { downstream.metadata.note(entry.namespace, entry.key, entry.value) }
        }
        guard let enforced else { return nil }
        let verdict = enforced.judge(question)
        stats.count(verdict)
        return verdict.isAllowed ? nil : verdict
    }

    func wouldPass(_ downstream: DownstreamInfo) -> Bool {
        enforced?.judge(question(downstream)).isAllowed ?? true
    }

    private func question(_ downstream: DownstreamInfo) -> RBACQuestion {
        RBACQuestion(request: noHeaders, downstream: downstream, client: downstream.remoteAddress)
    }
}

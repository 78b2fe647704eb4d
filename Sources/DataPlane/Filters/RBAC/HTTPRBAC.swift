// The RBAC filter for requests.
import HTTPWire
import Metrics
import Reactor

/// Lets requests through, or answers 403. Compiled for one worker, once for the connection manager and once for each
/// route that has rules of its own; these count together. Loop thread only.
/// Envoy page: HTTP filters, "Role Based Access Control (RBAC) Filter".
final class HTTPRBAC {
    private let enforced: RBACEngine?
    private let shadow: RBACEngine?
    private let stats: RBACStats
    /// For people.
    private let name: String
    private static let refusalText = "RBAC: access denied"

    init(_ spec: HTTPRBACSpec, name: String, stats: RBACStats) {
        self.name = name
        self.stats = stats
        let tracks = spec.tracksPolicies
        enforced = spec.rules.map {
            RBACEngine(
                $0, notes: RBACNotes(RBACNotes.http, statPrefix: spec.rulesStatPrefix, isShadow: false),
                policyStats: tracks ? { stats.policy($0) } : nil)
        }
        shadow = spec.shadowRules.map {
            RBACEngine(
                $0, notes: RBACNotes(RBACNotes.http, statPrefix: spec.shadowStatPrefix, isShadow: true),
                policyStats: tracks ? { stats.shadowPolicy($0) } : nil)
        }
    }

    /// nil: the request may pass.
    func check(_ stream: HTTPStream) -> LocalReply? {
        let info = stream.info
        // A stream that takes requests has a connection. Who cannot be told is not let in.
        guard let downstream = info.downstream else {
            return enforced == nil
                ? nil : LocalReply(403, HTTPRBAC.refusalText, details: "rbac_access_denied_matched_policy[none]")
        }
        let question = RBACQuestion(
            request: stream.requestHeaders, downstream: downstream, client: info.client ?? downstream.remoteAddress)
        if let shadow {
            let verdict = shadow.judge(question)
            stats.countShadow(verdict)
            info.notes.append(verdict.note)
        }
        guard let enforced else { return nil }
        let verdict = enforced.judge(question)
        stats.count(verdict)
        info.notes.append(verdict.note)
        if verdict.isAllowed { return nil }
        stream.core.offences.note(refusal(verdict, stream, downstream), now: stream.loop.now)
        // The body tells nobody which rule there is to get around.
        return LocalReply(403, HTTPRBAC.refusalText, details: verdict.details)
    }

    private func refusal(_ verdict: RBACVerdict, _ stream: HTTPStream, _ downstream: DownstreamInfo) -> String {
        let request = stream.requestHeaders
        let path = request.path
        let who = downstream.tls?.peer.map { " (\($0.uriNames.first ?? $0.dnsNames.first ?? $0.subject))" } ?? ""
        return "\(request.method.string) \(path.prefix(min(path.pathLength, 64)).string) of "
            + "\(downstream.directRemoteAddress)\(who) was refused by '\(name)', \(verdict.reason)\(stream.whereToAsk)"
    }
}

// Judges by the policies of one set of rules.
import Metrics

/// Compiled `RBACRulesSpec`. Loop thread only.
final class RBACEngine {
    private final class Policy {
        let permissions: [RBACCondition]
        let principals: [RBACCondition]
        let verdict: RBACVerdict

        init(_ spec: RBACPolicySpec, _ verdict: RBACVerdict) {
            permissions = spec.permissions.map(RBACCondition.init)
            principals = spec.principals.map(RBACCondition.init)
            self.verdict = verdict
        }

        func matches(_ question: borrowing RBACQuestion) -> Bool {
            Policy.anyHolds(permissions, question) && Policy.anyHolds(principals, question)
        }

        private static func anyHolds(_ conditions: [RBACCondition], _ question: borrowing RBACQuestion) -> Bool {
            for condition in conditions where condition.holds(question) { return true }
            return false
        }
    }

    private let policies: [Policy]
    private let noMatch: RBACVerdict

    /// - Parameters:
    ///   - notes: where access logs find verdicts.
    ///   - policyStats: of a policy by its name; nil: policies are not counted.
    init(_ spec: RBACRulesSpec, notes: RBACNotes, policyStats: ((String) -> RBACPolicyStats)?) {
        policies = spec.policies.map { policy in
            Policy(
                policy,
                RBACVerdict(
                    policy: policy.name, action: spec.action, notes: notes, stats: policyStats?(policy.name)))
        }
        noMatch = RBACVerdict(policy: nil, action: spec.action, notes: notes, stats: nil)
    }

    /// The first policy that matches decides, or that none does.
    func judge(_ question: borrowing RBACQuestion) -> RBACVerdict {
        for policy in policies where policy.matches(question) { return policy.verdict }
        return noMatch
    }
}

/// What is said of all that one policy matches, or none. Made with the engine: judging makes nothing.
final class RBACVerdict {
    /// nil: none matched.
    let policy: String?
    let isAllowed: Bool
    /// `%RESPONSE_CODE_DETAILS%`, or why a connection ended.
    let details: String
    /// For access logs.
    let note: StreamNote
    private let stats: RBACPolicyStats?

    init(policy: String?, action: RBACRulesSpec.Action, notes: RBACNotes, stats: RBACPolicyStats?) {
        self.policy = policy
        self.stats = stats
        isAllowed =
            switch action {
            case .allow: policy != nil
            case .deny: policy == nil
            case .log: true
            }
        details = CodeDetails.clean("rbac_access_denied_matched_policy[\(policy ?? "none")]")
        note = notes.note(policy: policy, isAllowed: isAllowed, logs: action == .log)
    }

    /// Counts for the policy, where policies are counted.
    func count() { stats?.count(isAllowed: isAllowed) }

    /// The end of a sentence for people.
    var reason: String { policy.map { "by policy '\($0)'" } ?? "as no policy allows it" }
}

/// How verdicts are named in dynamic metadata.
struct RBACNotes {
    /// "envoy.filters.http.rbac".
    var namespace: String
    /// `rules_stat_prefix` or `shadow_rules_stat_prefix`, then "enforced_" or "shadow_".
    var prefix: String
    /// Enforced rules that only log say so under `envoy.common`.
    var isShadow: Bool

    static let http = "envoy.filters.http.rbac"
    static let network = "envoy.filters.network.rbac"

    init(_ namespace: String, statPrefix: String, isShadow: Bool) {
        self.namespace = namespace
        self.isShadow = isShadow
        prefix = statPrefix + (isShadow ? "shadow_" : "enforced_")
    }

    func note(policy: String?, isAllowed: Bool, logs: Bool) -> StreamNote {
        var entries: [StreamNote.Entry] = []
        if let policy {
            entries.append(StreamNote.Entry(namespace, prefix + "effective_policy_id", policy))
        }
        entries.append(StreamNote.Entry(namespace, prefix + "engine_result", isAllowed ? "allowed" : "denied"))
        if logs && !isShadow {
            entries.append(
                StreamNote.Entry("envoy.common", "access_log_hint", policy != nil ? "true" : "false", isText: false))
        }
        return StreamNote(entries)
    }
}

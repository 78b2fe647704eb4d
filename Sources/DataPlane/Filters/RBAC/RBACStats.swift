// The counters of role-based access control.
import Metrics

/// `<prefix>rbac.`: `[rules_stat_prefix.]allowed`, `denied`, `[shadow_rules_stat_prefix.]shadow_allowed`,
/// `shadow_denied`, and the same below `policy.<name>.`. Envoy page: RBAC, "Statistics".
struct RBACStats {
    let allowed: Counter
    let denied: Counter
    let shadowAllowed: Counter
    let shadowDenied: Counter
    private let cells: StatCells
    private let rules: String
    private let shadow: String

    /// `prefix` is "http.<stat_prefix>." or "<stat_prefix>."; the others are as configured.
    init(_ cells: StatCells, prefix: String, rulesPrefix: String = "", shadowPrefix: String = "") {
        self.cells = cells
        rules = prefix + "rbac." + RBACStats.joined(rulesPrefix)
        shadow = prefix + "rbac." + RBACStats.joined(shadowPrefix)
        allowed = cells.counter(rules + "allowed")
        denied = cells.counter(rules + "denied")
        shadowAllowed = cells.counter(shadow + "shadow_allowed")
        shadowDenied = cells.counter(shadow + "shadow_denied")
    }

    func count(_ verdict: RBACVerdict) {
        (verdict.isAllowed ? allowed : denied).increment()
        verdict.count()
    }

    func countShadow(_ verdict: RBACVerdict) {
        (verdict.isAllowed ? shadowAllowed : shadowDenied).increment()
        verdict.count()
    }

    func policy(_ name: String) -> RBACPolicyStats { RBACPolicyStats(cells, prefix: "\(rules)policy.\(name).") }

    func shadowPolicy(_ name: String) -> RBACPolicyStats {
        RBACPolicyStats(cells, prefix: "\(shadow)policy.\(name).shadow_")
    }

    /// A prefix stands in names with one dot behind it, whether it is written with it or not.
    private static func joined(_ prefix: String) -> String {
        prefix.isEmpty || prefix.hasSuffix(".") ? prefix : prefix + "."
    }
}

/// The counters of one policy, each made on its first use, as in Envoy. Loop thread only.
final class RBACPolicyStats {
    private let cells: StatCells
    private let prefix: String
    private lazy var allowed = cells.counter(prefix + "allowed")
    private lazy var denied = cells.counter(prefix + "denied")

    init(_ cells: StatCells, prefix: String) {
        self.cells = cells
        self.prefix = prefix
    }

    func count(isAllowed: Bool) { (isAllowed ? allowed : denied).increment() }
}

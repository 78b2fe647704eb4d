// The network filters of a chain before its last: they let a connection in or turn it away.
import Metrics
import Reactor

/// Compiled once per filter chain and worker. Loop thread only.
///
/// A connection is asked twice. Rate limits come before its TLS handshake, so that they spare the work, as in Envoy; where
/// a service decides, the connection waits for it. Rules
/// on who it is come when it is up, and hold for its life: nothing that they look at can change in it. Envoy waits for
/// its first bytes, and lets a server that speaks first talk to whom it will refuse.
final class ConnectionGate {
    private enum Limit {
        case local(ConnectionRateLimit)
        case service(ConnectionServiceLimit)
    }

    /// What the rate limits make of a connection.
    enum LimitOutcome {
        case passed
        case refused(ConnectionRefusal)
        /// A service was asked. When its answer lets the connection pass, the limits from `next` on are to be asked.
        case asked(ConnectionQuestion, next: Int)
    }

    private let limits: [Limit]
    private let rules: [NetworkRBAC]
    private let loop: EventLoop
    /// Refused connections that wait for their end.
    private var held: [HeldConnection] = []

    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(
        _ specs: [NetworkGateSpec], _ cells: StatCells, runtime: RuntimeSpec, services: FilterServices, loop: EventLoop
    ) throws(FormatError) {
        self.loop = loop
        var limits: [Limit] = []
        var rules: [NetworkRBAC] = []
        for spec in specs {
            switch spec {
            case .rateLimit(let limit): limits.append(.local(ConnectionRateLimit(limit, cells)))
            case .serviceLimit(let limit):
                limits.append(
                    .service(try ConnectionServiceLimit(limit, services, cells, runtime: runtime, loop: loop)))
            case .rbac(let rbac): rules.append(NetworkRBAC(rbac, cells))
            }
        }
        self.limits = limits
        self.rules = rules
    }

    /// Asks the rate limits from `first` on, in their order.
    ///
    /// - Parameter downstream: made where a service has to know of it.
    func limit(
        from first: Int = 0, _ downstream: () -> DownstreamInfo, owner: any ConnectionQuestionOwner
    ) -> LimitOutcome {
        for index in first..<limits.count {
            switch limits[index] {
            case .local(let limit):
                guard limit.take(now: loop.now) else {
                    return .refused(
                        ConnectionRefusal(
                            flags: .upstreamRetryLimitExceeded, closeReason: "local_ratelimit_close_over_limit"))
                }
            case .service(let limit):
                if let question = limit.ask(downstream(), owner: owner) { return .asked(question, next: index + 1) }
            }
        }
        return .passed
    }

    /// Asks the rules, and counts. nil: the connection is let in. `delay`: how long it is held before it is closed.
    func judge(_ downstream: DownstreamInfo) -> (refusal: ConnectionRefusal, delay: TimeAmount?)? {
        for rule in rules {
            guard let verdict = rule.judge(downstream) else { continue }
            let refusal = ConnectionRefusal(
                details: verdict.details, closeReason: "rbac_deny_close",
                reason: "it was refused by the rules '\(rule.statPrefix)', \(verdict.reason)")
            return (refusal, rule.denyDelay)
        }
        return nil
    }

    /// Whether the rules would let a connection in. Nothing is counted.
    func wouldPass(_ downstream: DownstreamInfo) -> Bool { rules.allSatisfy { $0.wouldPass(downstream) } }

    // MARK: Held connections

    var heldCount: Int { held.count }

    /// Keeps a refused connection, of which nothing is read, and then ends it. It may end by itself before.
    func hold(_ connection: Connection, for delay: TimeAmount, then end: @escaping (Connection) -> Void) {
        let one = HeldConnection(connection) { [unowned self] one in
            remove(one)
            end(connection)
        }
        one.index = held.count
        held.append(one)
        one.start(loop, delay)
    }

    private func remove(_ one: HeldConnection) {
        guard held.indices.contains(one.index), held[one.index] === one else { return }
        let last = held.removeLast()
        if last !== one {
            held[one.index] = last
            last.index = one.index
        }
    }

    /// Ends all that are held now.
    func releaseAll() {
        for one in held { one.release() }
    }
}

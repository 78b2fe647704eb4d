// The filter that asks a rate limit service about connections.
import HTTPWire
import Metrics
import Reactor

/// `envoy.filters.network.ratelimit` on one worker. Loop thread only.
/// Envoy page: network filters, "Rate limit".
final class ConnectionServiceLimit {
    let method: GRPCSideMethod
    private let spec: ConnectionServiceLimitSpec
    private let services: FilterServices
    private let loop: EventLoop
    private let cluster: FixedBytes
    private let domain: FixedBytes
    private let descriptors: [[(key: FixedBytes, value: Formatter)]]
    private let enabled: Fraction
    private let enforced: Fraction
    private let stats: Stats
    private var random = FastRandom()
    private var offences: OffenceLog

    /// Of the metadata that the service sends.
    static let namespace = "envoy.filters.network.ratelimit"

    /// `ratelimit.<stat_prefix>.`
    private struct Stats {
        let active: Gauge
        let total: Counter
        let ok: Counter
        let error: Counter
        let overLimit: Counter
        let closed: Counter
        let failureModeAllowed: Counter

        init(_ cells: StatCells, _ statPrefix: String) {
            let prefix = "ratelimit.\(statPrefix)."
            active = cells.gauge(prefix + "active")
            total = cells.counter(prefix + "total")
            ok = cells.counter(prefix + "ok")
            error = cells.counter(prefix + "error")
            overLimit = cells.counter(prefix + "over_limit")
            closed = cells.counter(prefix + "cx_closed")
            failureModeAllowed = cells.counter(prefix + "failure_mode_allowed")
        }
    }

    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(
        _ spec: ConnectionServiceLimitSpec, _ services: FilterServices, _ cells: StatCells, runtime: RuntimeSpec,
        loop: EventLoop
    ) throws(FormatError) {
        self.spec = spec
        self.services = services
        self.loop = loop
        method = services.method(RateLimitQuestion.method, of: spec.service)
        cluster = FixedBytes(spec.service.cluster)
        domain = FixedBytes(spec.domain)
        var descriptors: [[(key: FixedBytes, value: Formatter)]] = []
        for descriptor in spec.descriptors {
            var entries: [(key: FixedBytes, value: Formatter)] = []
            for entry in descriptor.entries { entries.append((FixedBytes(entry.key), try Formatter(entry.value))) }
            descriptors.append(entries)
        }
        self.descriptors = descriptors
        enabled = spec.enabled.resolved(runtime)
        enforced = spec.enforced.resolved(runtime)
        stats = Stats(cells, spec.statPrefix)
        offences = OffenceLog(label: "connection", place: "rate limit '\(spec.statPrefix)'")
    }

    /// Asks about a connection. nil: it may pass unasked, and `owner` hears nothing.
    func ask(_ downstream: DownstreamInfo, owner: any ConnectionQuestionOwner) -> ConnectionQuestion? {
        guard enabled.includes(random.next()) else { return nil }
        stats.total.increment()
        stats.active.increment()
        let question = ConnectionQuestion(self, question(downstream), loop, owner)
        question.start(on: services.clusters.requestCluster(named: cluster.view))
        return question
    }

    private func question(_ downstream: DownstreamInfo) -> [UInt8] {
        let info = StreamInfo()
        info.downstream = downstream
        info.marks.start = loop.now
        info.startWall = loop.wallNow
        let context = FormatContext(info, request: nil, now: loop.now, wallNow: loop.wallNow)
        let descriptor = RequestDescriptor()
        var question = RateLimitQuestion()
        for entries in descriptors {
            descriptor.removeAll()
            for (key, value) in entries { descriptor.append(key: key.view) { value.append(to: &$0, context) } }
            question.add(descriptor, domain: domain)
        }
        return question.bytes
    }

    /// What follows an answer.
    func judge(_ verdict: RateLimitVerdict, _ question: [UInt8]) -> ConnectionVerdict {
        stats.active.decrement()
        switch verdict {
        case .answered(let answer):
            guard answer.isOverLimit else {
                stats.ok.increment()
                return ConnectionVerdict(notes: answer.metadata)
            }
            stats.overLimit.increment()
            let decision = RateLimitDecision(answer, domain: spec.domain, question)
            let notes = answer.metadata + decision.entries
            guard enforced.includes(random.next()) else { return ConnectionVerdict(notes: notes) }
            stats.closed.increment()
            return ConnectionVerdict(
                refusal: ConnectionRefusal(closeReason: "ratelimit_close_over_limit", reason: decision.words),
                notes: notes)
        case .failed(let reason):
            stats.error.increment()
            let words =
                "the rate limit service of domain '\(spec.domain)' (cluster '\(cluster.string)') did not answer: \(reason)"
            offences.note(words, now: loop.now)
            guard spec.refusesOnError else {
                stats.failureModeAllowed.increment()
                return ConnectionVerdict()
            }
            stats.closed.increment()
            return ConnectionVerdict(
                refusal: ConnectionRefusal(
                    closeReason: "ratelimit_error_failure_mode_connection_close",
                    reason: "\(words); failure_mode_deny"))
        }
    }

    /// The client has left before there was an answer.
    func givenUp() { stats.active.decrement() }
}

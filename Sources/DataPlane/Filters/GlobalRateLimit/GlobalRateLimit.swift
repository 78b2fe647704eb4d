// The filter that asks a rate limit service about requests.
import HTTPWire
import Metrics
import Reactor

/// Asks a service whether a request is over one of the limits that its descriptors have there. Compiled for one worker,
/// once for the connection manager and once for each route that changes it; these count together. Loop thread only.
/// Envoy page: HTTP filters, "Rate limit".
final class GlobalRateLimit {
    let method: GRPCSideMethod
    let shared: Shared
    private let spec: GlobalRateLimitSpec
    private let services: FilterServices
    private let serviceCluster: String
    private let cluster: FixedBytes
    private let domain: FixedBytes
    private let virtualHostRules: VirtualHostRateLimits
    /// In place of those of the routes; empty: these hold.
    private let rules: [RateLimitRule]
    private let enabled: Fraction
    private let enforced: Fraction
    private let refusedOnError: Fraction
    private let responseHeaders: HeaderMutations

    /// What can become of a request that the service was asked about.
    private enum Outcome: Int, CaseIterable {
        case ok, error, overLimit, failureModeAllowed

        var name: String {
            switch self {
            case .ok: "ok"
            case .error: "error"
            case .overLimit: "over_limit"
            case .failureModeAllowed: "failure_mode_allowed"
            }
        }
    }

    /// Of the metadata that the service sends.
    static let namespace = "envoy.filters.http.ratelimit"
    private static let mark = ServiceField(
        name: Array("x-envoy-ratelimited".utf8), value: Array("true".utf8), action: .set)

    /// What the filter and its changes by routes have in common.
    final class Shared {
        /// `cluster.<name>.ratelimit.`
        let stats: RouteClusterCounters
        let farewells = RateLimitFarewells()

        init(_ cells: StatCells, statPrefix: String) {
            let suffix = ".ratelimit." + (statPrefix.isEmpty ? "" : statPrefix + ".")
            stats = RouteClusterCounters(cells, Outcome.allCases.map { suffix + $0.name })
        }
    }

    /// - Parameters:
    ///   - override: a route's; nil: it has none.
    ///   - serviceCluster: whom requests come from (`source_cluster`).
    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(
        _ spec: GlobalRateLimitSpec, override: GlobalRateLimitOverrideSpec? = nil, _ shared: Shared,
        _ services: FilterServices, runtime: RuntimeSpec, serviceCluster: String
    ) throws(FormatError) {
        self.spec = spec
        self.shared = shared
        self.services = services
        self.serviceCluster = serviceCluster
        method = services.method(RateLimitQuestion.method, of: spec.service)
        cluster = FixedBytes(spec.service.cluster)
        let ownDomain = override?.domain ?? ""
        domain = FixedBytes(ownDomain.isEmpty ? spec.domain : ownDomain)
        let ownRules = override?.rules ?? []
        rules = try RateLimitRule.compiled(ownRules.isEmpty ? spec.rules : ownRules, runtime)
        virtualHostRules = override?.virtualHostRules ?? .overridden
        enabled = spec.enabled.resolved(runtime)
        enforced = spec.enforced.resolved(runtime)
        refusedOnError = spec.refusedOnError.resolved(runtime)
        responseHeaders = try HeaderMutations(add: spec.responseHeaders, remove: [])
    }

    /// The cluster to ask, as it is at this moment.
    var upstream: (any RequestCluster)? { services.clusters.requestCluster(named: cluster.view) }

    func pass(_ stream: HTTPStream, _ filters: StreamFilters) -> FilterVerdict {
        // As in Envoy only requests that go to a cluster have descriptors.
        guard !stream.info.upstream.clusterName.isEmpty, isAskedAbout(stream),
            enabled.includes(stream.core.random.next())
        else { return .passed }
        let question = question(stream, filters, atEnd: false)
        guard !question.isEmpty else {
            remember(filters)
            return .passed
        }
        let hold = filters.rateLimit ?? StreamRateLimit(loop: stream.loop)
        filters.rateLimit = hold
        hold.begin(self, stream, filters, question.bytes)
        return .held(hold)
    }

    private func isAskedAbout(_ stream: HTTPStream) -> Bool {
        switch spec.requests {
        case .all: true
        case .internal: stream.isInternal
        case .external: !stream.isInternal
        }
    }

    private func question(_ stream: HTTPStream, _ filters: StreamFilters, atEnd: Bool) -> RateLimitQuestion {
        var question = RateLimitQuestion()
        forEachRule(filters.rateLimits) { rule in
            guard rule.appliesAtEnd == atEnd, rule.describe(stream, serviceCluster, into: filters.descriptor) else {
                return
            }
            guard let hits = rule.hits else { return question.add(filters.descriptor, domain: domain) }
            guard let number = hits.value(context(stream), &filters.descriptor.scratch) else { return }
            question.add(filters.descriptor, hits: number, domain: domain)
        }
        return question
    }

    private func forEachRule(_ ofRoute: RouteRateLimits?, _ body: (RateLimitRule) -> Void) {
        if rules.isEmpty {
            ofRoute?.forEach(stage: spec.stage, virtualHostRules, body)
        } else {
            for rule in rules { body(rule) }
        }
    }

    private func context(_ stream: HTTPStream) -> FormatContext {
        FormatContext(
            stream.info, request: stream.requestHeaders, response: stream.responseHeaders,
            trailers: stream.responseTrailers, now: stream.loop.now, wallNow: stream.loop.wallNow)
    }

    // MARK: - The end of a request

    /// Has the service told of the request when it is over, where a rule says so.
    private func remember(_ filters: StreamFilters) {
        var hasRules = false
        forEachRule(filters.rateLimits) { if $0.appliesAtEnd { hasRules = true } }
        if hasRules { filters.limitsAtEnd.append(self) }
    }

    /// Tells the service of a request that is over.
    func streamEnded(_ stream: HTTPStream, _ filters: StreamFilters) {
        let question = question(stream, filters, atEnd: true)
        if !question.isEmpty { shared.farewells.tell(question.bytes, self, stream) }
    }

    // MARK: - The verdict

    func apply(_ verdict: RateLimitVerdict, _ stream: HTTPStream, _ filters: StreamFilters, _ question: [UInt8]) {
        remember(filters)
        switch verdict {
        case .answered(let answer):
            if !answer.metadata.isEmpty { stream.info.notes.append(StreamNote(answer.metadata)) }
            if answer.isOverLimit { return overLimit(answer, stream, filters, question) }
            count(.ok, stream)
            filters.responseFields += answer.responseFields + quota(answer)
            goOn(answer, stream, filters)
        case .failed(let reason): failed(reason, stream, filters)
        }
    }

    private func overLimit(
        _ answer: RateLimitAnswer, _ stream: HTTPStream, _ filters: StreamFilters, _ question: [UInt8]
    ) {
        count(.overLimit, stream)
        services.charge(spec.status, stream)
        var fields = answer.responseFields
        if spec.marksLimited {
            fields.append(GlobalRateLimit.mark)
        }
        fields += quota(answer)
        let decision = RateLimitDecision(answer, domain: domain.string, question)
        stream.info.notes.append(StreamNote(decision.entries))
        guard enforced.includes(stream.core.random.next()) else {
            filters.responseFields += fields
            return goOn(answer, stream, filters)
        }
        var reply = LocalReply(
            spec.status, details: "request_rate_limited", flags: .rateLimited, decidedBy: decision.words)
        if !answer.body.isEmpty { reply.body = .array(answer.body) }
        if spec.isResourceExhausted { reply.grpcStatus = GRPCRules.Status.resourceExhausted.rawValue }
        stream.reply(reply) { response in
            for field in fields { field.apply(to: response, isRequest: false) }
            responseHeaders.apply(to: response, context(stream))
        }
    }

    private func failed(_ reason: String, _ stream: HTTPStream, _ filters: StreamFilters) {
        count(.error, stream)
        note(reason, stream.core)
        guard refusedOnError.includes(stream.core.random.next()) else {
            count(.failureModeAllowed, stream)
            return filters.release(stream)
        }
        stream.reply(
            LocalReply(
                spec.statusOnError, details: "rate_limiter_error", flags: .rateLimitServiceError,
                decidedBy: "rate limit domain '\(domain.string)': the service (cluster '\(cluster.string)') did not "
                    + "answer: \(reason); failure_mode_deny"))
    }

    private func goOn(_ answer: RateLimitAnswer, _ stream: HTTPStream, _ filters: StreamFilters) {
        for field in answer.requestFields { field.apply(to: stream.requestHeaders, isRequest: true) }
        filters.release(stream)
    }

    private func quota(_ answer: RateLimitAnswer) -> [ServiceField] {
        spec.addsQuotaHeaders ? answer.quotaFields : []
    }

    private func count(_ outcome: Outcome, _ stream: HTTPStream) {
        shared.stats.increment(outcome.rawValue, stream.info.upstream)
    }

    /// For the process's log.
    func note(_ reason: String, _ core: HTTPManagerCore) {
        core.offences.note(
            "the rate limit service of domain '\(domain.string)' (cluster '\(cluster.string)') did not answer: \(reason)",
            now: core.loop.now)
    }
}

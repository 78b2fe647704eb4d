// The local rate limit filter for requests.
import HTTPWire
import Metrics
import Reactor

/// Takes a token for each request, and of the buckets of the descriptors that it has; answers 429 where there is none.
/// Compiled for one worker; its buckets hold over all of them. Loop thread only.
/// Envoy page: HTTP filters, "Local rate limit".
final class LocalRateLimit {
    private let spec: LocalRateLimitSpec
    private let enabled: Fraction
    private let enforced: Fraction
    private let requestHeaders: HeaderMutations
    private let responseHeaders: HeaderMutations
    private let stats: LocalRateLimitStats
    private let descriptors: DescriptorIndex
    /// In place of those of the routes; empty: these hold.
    private let rules: [RateLimitRule]
    private let serviceCluster: String
    /// Somebody was told that there are more values than buckets.
    @exclusivity(unchecked) private var hasToldOfEviction = false

    /// - Parameter serviceCluster: whom requests come from (`source_cluster`).
    /// - Throws: for a format in headers that does not compile; a checked configuration has none.
    init(
        _ spec: LocalRateLimitSpec, _ cells: StatCells, runtime: RuntimeSpec, serviceCluster: String = ""
    ) throws(FormatError) {
        self.spec = spec
        enabled = spec.enabled.resolved(runtime)
        enforced = spec.enforced.resolved(runtime)
        requestHeaders = try HeaderMutations(add: spec.requestHeaders, remove: [])
        responseHeaders = try HeaderMutations(add: spec.responseHeaders, remove: [])
        stats = LocalRateLimitStats(
            cells, prefix: spec.statPrefix, evicts: spec.descriptors.contains(where: \.takesAnyValue))
        descriptors = DescriptorIndex(spec.descriptors)
        rules = try RateLimitRule.compiled(spec.rules, runtime)
        self.serviceCluster = serviceCluster
    }

    func pass(_ stream: HTTPStream, _ filters: StreamFilters) -> FilterVerdict {
        guard enabled.includes(stream.core.random.next()) else { return .passed }
        stats.enabled.increment()
        guard let limiter = limiter(stream.info.downstream) else {
            stats.ok.increment()
            return .passed
        }
        let now = stream.loop.now
        if !descriptors.isEmpty { describe(stream, filters, limiter) }
        let verdict = limiter.take(filters.matches, now: now)
        if !descriptors.isEmpty { filters.matches.removeAll(keepingCapacity: true) }
        if verdict.hasEvicted { noteEviction(stream) }
        // As it is now: the response may be a while.
        if spec.addsQuotaHeaders, let quota = verdict.quota { filters.quotas.append(quota) }
        if verdict.isWithin {
            stats.ok.increment()
            return .passed
        }
        stats.rateLimited.increment()
        let context = FormatContext(
            stream.info, request: stream.requestHeaders, now: now, wallNow: stream.loop.wallNow)
        guard enforced.includes(stream.core.random.next()) else {
            requestHeaders.apply(to: stream.requestHeaders, context)
            return .passed
        }
        stats.enforced.increment()
        var answer = LocalReply(
            spec.status, "local_rate_limited", details: "local_rate_limited", flags: .rateLimited)
        if spec.isResourceExhausted { answer.grpcStatus = GRPCRules.Status.resourceExhausted.rawValue }
        stream.reply(answer, last: { [responseHeaders] in responseHeaders.apply(to: $0, context) })
        return .answered
    }

    private func limiter(_ downstream: DownstreamInfo?) -> RateLimiter? {
        guard spec.perConnection, let shared = spec.limiter, let downstream else { return spec.limiter }
        return downstream.ownLimiter(like: shared)
    }

    /// Finds the request's descriptors, and puts the slowest first, so that one which refuses spares the others.
    private func describe(_ stream: HTTPStream, _ filters: StreamFilters, _ limiter: RateLimiter) {
        func add(_ rule: RateLimitRule) {
            // As in Envoy: a rule that can be switched off is for services.
            guard !rule.canBeDisabled, rule.describe(stream, serviceCluster, into: filters.descriptor),
                let match = descriptors.find(filters.descriptor)
            else { return }
            let time = limiter.buckets[match.position].rate.nanosecondsPerToken
            var place = filters.matches.count
            while place > 0,
                limiter.buckets[filters.matches[place - 1].position].rate.nanosecondsPerToken < time
            {
                place -= 1
            }
            filters.matches.insert(match, at: place)
        }
        if rules.isEmpty {
            filters.rateLimits?.forEach(stage: spec.stage, spec.virtualHostRules, add)
        } else {
            for rule in rules { add(rule) }
        }
    }

    private func noteEviction(_ stream: HTTPStream) {
        stats.evicted?.increment()
        guard !hasToldOfEviction else { return }
        hasToldOfEviction = true
        stream.core.offences.note(
            """
            the local rate limit '\(spec.statPrefix)' sees more values than max_dynamic_descriptors \
            (\(spec.maxDynamicDescriptors)) allows: those that come again after a while begin with a full bucket
            """, now: stream.loop.now)
    }
}

/// `<stat_prefix>.http_local_rate_limit.`
private struct LocalRateLimitStats {
    let enabled: Counter
    let enforced: Counter
    let ok: Counter
    let rateLimited: Counter
    /// nil: no descriptor takes any value.
    let evicted: Counter?

    init(_ cells: StatCells, prefix: String, evicts: Bool) {
        let prefix = prefix + ".http_local_rate_limit."
        enabled = cells.counter(prefix + "enabled")
        enforced = cells.counter(prefix + "enforced")
        ok = cells.counter(prefix + "ok")
        rateLimited = cells.counter(prefix + "rate_limited")
        evicted = evicts ? cells.counter(prefix + "dynamic_descriptor_evicted") : nil
        // Envoy shows it from the start; nothing here moves it.
        _ = cells.counter(prefix + "shadow_mode")
    }
}

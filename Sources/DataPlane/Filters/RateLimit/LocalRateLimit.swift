// The local rate limit filter for requests.
import HTTPWire
import Metrics
import Reactor

/// Takes a token for each request, and answers 429 where there is none. Compiled for one worker; its bucket holds over
/// all of them. Loop thread only.
/// Envoy page: HTTP filters, "Local rate limit".
final class LocalRateLimit {
    private let spec: LocalRateLimitSpec
    private let enabled: Fraction
    private let enforced: Fraction
    private let requestHeaders: HeaderMutations
    private let responseHeaders: HeaderMutations
    private let stats: LocalRateLimitStats

    /// - Throws: for a format in headers that does not compile; a checked configuration has none.
    init(_ spec: LocalRateLimitSpec, _ cells: StatCells, runtime: RuntimeSpec) throws(FormatError) {
        self.spec = spec
        enabled = spec.enabled.resolved(runtime)
        enforced = spec.enforced.resolved(runtime)
        requestHeaders = try HeaderMutations(add: spec.requestHeaders, remove: [])
        responseHeaders = try HeaderMutations(add: spec.responseHeaders, remove: [])
        stats = LocalRateLimitStats(cells, prefix: spec.statPrefix)
    }

    /// False: the request was answered.
    func pass(_ stream: HTTPStream, _ filters: StreamFilters) -> Bool {
        guard enabled.includes(stream.core.random.next()) else { return true }
        stats.enabled.increment()
        guard let bucket = bucket(stream.info.downstream) else {
            stats.ok.increment()
            return true
        }
        let now = stream.loop.now
        let isWithin = bucket.take(now: now)
        // As it is now: the response may be a while.
        if spec.addsQuotaHeaders { filters.quotas.append(bucket.quota(now: now)) }
        if isWithin {
            stats.ok.increment()
            return true
        }
        stats.rateLimited.increment()
        let context = FormatContext(
            stream.info, request: stream.requestHeaders, now: now, wallNow: stream.loop.wallNow)
        guard enforced.includes(stream.core.random.next()) else {
            requestHeaders.apply(to: stream.requestHeaders, context)
            return true
        }
        stats.enforced.increment()
        var answer = LocalReply(
            spec.status, "local_rate_limited", details: "local_rate_limited", flags: .rateLimited)
        if spec.isResourceExhausted { answer.grpcStatus = .resourceExhausted }
        stream.reply(answer, last: { [responseHeaders] in responseHeaders.apply(to: $0, context) })
        return false
    }

    private func bucket(_ downstream: DownstreamInfo?) -> TokenBucket? {
        guard spec.perConnection, let shared = spec.bucket, let downstream else { return spec.bucket }
        return downstream.ownBucket(like: shared)
    }
}

/// `<stat_prefix>.http_local_rate_limit.`
private struct LocalRateLimitStats {
    let enabled: Counter
    let enforced: Counter
    let ok: Counter
    let rateLimited: Counter

    init(_ cells: StatCells, prefix: String) {
        let prefix = prefix + ".http_local_rate_limit."
        enabled = cells.counter(prefix + "enabled")
        enforced = cells.counter(prefix + "enforced")
        ok = cells.counter(prefix + "ok")
        rateLimited = cells.counter(prefix + "rate_limited")
        // Envoy shows it from the start; only descriptors can move it, and those are refused.
        _ = cells.counter(prefix + "shadow_mode")
    }
}

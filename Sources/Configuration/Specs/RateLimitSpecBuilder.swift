// Local rate limits.
import DataPlane
import EnvoyAPI
import Reactor

struct RateLimitSpecBuilder {
    let context: SpecContext

    /// - Parameter isForRoute: a route's own limit, which is nothing without a bucket.
    func http(_ filter: API.LocalRateLimit, isForRoute: Bool, _ path: FieldPath) -> LocalRateLimitSpec {
        var spec = LocalRateLimitSpec(statPrefix: filter.statPrefix)
        if !filter.hasTokenBucket, isForRoute {
            context.missing(path.field("token_bucket"), "is required where a route has a limit of its own")
        }
        limiter(filter, path, into: &spec)
        let status = filter.status.code.rawValue
        if status >= 400 { spec.status = status }
        if filter.hasFilterEnabled { spec.enabled = context.fraction(filter.filterEnabled) }
        if filter.hasFilterEnforced { spec.enforced = context.fraction(filter.filterEnforced) }
        let headers = HeaderMutationSpecBuilder(context: context)
        spec.requestHeaders = headers.add(
            filter.requestHeadersToAddWhenNotEnforced, path.field("request_headers_to_add_when_not_enforced"))
        spec.responseHeaders = headers.add(filter.responseHeadersToAdd, path.field("response_headers_to_add"))
        spec.perConnection = filter.localRateLimitPerDownstreamConnection
        spec.addsQuotaHeaders = filter.enableXRatelimitHeaders == .draftVersion03
        spec.isResourceExhausted = filter.rateLimitedAsResourceExhausted
        return spec
    }

    /// The buckets, and what makes descriptors of requests.
    private func limiter(_ filter: API.LocalRateLimit, _ path: FieldPath, into spec: inout LocalRateLimitSpec) {
        let standard = filter.hasTokenBucket ? rate(filter.tokenBucket, path.field("token_bucket")) : nil
        if filter.hasMaxDynamicDescriptors { spec.maxDynamicDescriptors = Int(filter.maxDynamicDescriptors.value) }
        var seen: Set<RateLimitDescriptorSpec> = []
        var buckets: [TokenRate] = []
        for (index, descriptor) in filter.descriptors.enumerated() {
            let path = path.field("descriptors")[index]
            let one = RateLimitDescriptorSpec(entries: descriptor.entries.map { .init(key: $0.key, value: $0.value) })
            if !seen.insert(one).inserted { context.duplicate(path, "the same descriptor is in the list already") }
            if !descriptor.hasTokenBucket { context.missing(path.field("token_bucket")) }
            spec.descriptors.append(one)
            buckets.append(rate(descriptor.tokenBucket, path.field("token_bucket")))
        }
        spec.rules = RateLimitRuleSpecBuilder(context: context).rules(
            filter.rateLimits, of: .localFilter, path.field("rate_limits"))
        if spec.descriptors.isEmpty, !spec.rules.isEmpty {
            context.report.warn(path: path.field("rate_limits"), "does nothing: there are no descriptors")
        }
        spec.stage = Int(filter.stage)
        switch filter.vhRateLimits {
        case .include: spec.virtualHostRules = .included
        case .ignore: spec.virtualHostRules = .ignored
        default: spec.virtualHostRules = .overridden
        }
        guard standard != nil || !buckets.isEmpty else { return }
        spec.limiter = RateLimiter(
            standard,
            alwaysTakesStandard: !filter.hasAlwaysConsumeDefaultTokenBucket
                || filter.alwaysConsumeDefaultTokenBucket.value,
            descriptors: zip(buckets, spec.descriptors).map { ($0, $1.takesAnyValue) },
            maxDynamic: spec.maxDynamicDescriptors)
    }

    func network(_ filter: API.ConnectionRateLimit, _ path: FieldPath) -> ConnectionRateLimitSpec {
        let limit = filter.tokenBucket
        let made = TokenBucket(rate(limit, path.field("token_bucket")))
        let shared =
            filter.shareKey.isEmpty ? made : context.sharedBuckets.bucket(filter.shareKey, limit, otherwise: made)
        var spec = ConnectionRateLimitSpec(statPrefix: filter.statPrefix, bucket: shared)
        if filter.hasRuntimeEnabled {
            let flag = filter.runtimeEnabled
            spec.isEnabled = context.flag(
                flag.hasDefaultValue ? flag.defaultValue.value : true, runtimeKey: flag.runtimeKey)
        }
        return spec
    }

    private func rate(_ bucket: API.TokenBucket, _ path: FieldPath) -> TokenRate {
        let interval = context.amount(bucket.fillInterval)
        if interval < .milliseconds(50) {
            context.bad(path.field("fill_interval"), "must be at least 50 ms, found \(interval)")
        }
        return TokenRate(
            capacity: bucket.maxTokens, tokensPerFill: bucket.hasTokensPerFill ? bucket.tokensPerFill.value : 1,
            fillInterval: interval)
    }
}

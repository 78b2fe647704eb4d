// Local rate limits.
import DataPlane
import EnvoyAPI
import Reactor

struct RateLimitSpecBuilder {
    let context: SpecContext

    /// - Parameter isForRoute: a route's own limit, which is nothing without a bucket.
    func http(_ filter: API.LocalRateLimit, isForRoute: Bool, _ path: FieldPath) -> LocalRateLimitSpec {
        var spec = LocalRateLimitSpec(statPrefix: filter.statPrefix)
        if filter.hasTokenBucket {
            spec.bucket = bucket(filter.tokenBucket, path.field("token_bucket"))
        } else if isForRoute {
            context.missing(path.field("token_bucket"), "is required where a route has a limit of its own")
        }
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

    func network(_ filter: API.ConnectionRateLimit, _ path: FieldPath) -> ConnectionRateLimitSpec {
        let limit = filter.tokenBucket
        let made = bucket(limit, path.field("token_bucket"))
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

    private func bucket(_ bucket: API.TokenBucket, _ path: FieldPath) -> TokenBucket {
        let interval = context.amount(bucket.fillInterval)
        if interval < .milliseconds(50) {
            context.bad(path.field("fill_interval"), "must be at least 50 ms, found \(interval)")
        }
        return TokenBucket(
            capacity: bucket.maxTokens, tokensPerFill: bucket.hasTokensPerFill ? bucket.tokensPerFill.value : 1,
            fillInterval: interval)
    }
}

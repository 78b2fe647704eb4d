// Retry policies.
import DataPlane
import EnvoyAPI
import Reactor

struct RetrySpecBuilder {
    let context: SpecContext

    func policy(_ policy: API.RetryPolicy, _ path: FieldPath) -> RetryPolicySpec {
        var spec = RetryPolicySpec()
        spec.conditions = conditions(policy.retryOn, path.field("retry_on"))
        if policy.hasNumRetries { spec.numRetries = Int(policy.numRetries.value) }
        spec.perTryTimeout = context.timeout(policy.perTryTimeout, isSet: policy.hasPerTryTimeout)
        spec.perTryIdleTimeout = context.timeout(policy.perTryIdleTimeout, isSet: policy.hasPerTryIdleTimeout)
        spec.retriableStatusCodes = policy.retriableStatusCodes.map { Int($0) }
        let headers = RouteMatchSpecBuilder(context: context)
        spec.retriableHeaders = headers.headers(policy.retriableHeaders, path.field("retriable_headers"))
        spec.retriableRequestHeaders = headers.headers(
            policy.retriableRequestHeaders, path.field("retriable_request_headers"))
        if policy.hasRetryBackOff {
            let backoff = policy.retryBackOff
            spec.backoff = context.backoff(
                base: backoff.baseInterval, max: backoff.maxInterval, hasMax: backoff.hasMaxInterval,
                path.field("retry_back_off"))
        }
        if policy.hasRateLimitedRetryBackOff { spec.rateLimitedBackoff = rateLimited(policy.rateLimitedRetryBackOff) }
        for (index, predicate) in policy.retryHostPredicate.enumerated() {
            let place = path.field("retry_host_predicate")[index].field("typed_config")
            if predicate.configType == nil {
                context.missing(place, "is required: extensions are chosen by the type of their config")
            }
            spec.avoidPreviousHosts = true
        }
        let attempts = policy.hostSelectionRetryMaxAttempts
        if attempts < 0 { context.bad(path.field("host_selection_retry_max_attempts"), "must not be negative") }
        if attempts > 0 { spec.hostSelectionAttempts = Int(clamping: attempts) }
        return spec
    }

    private func conditions(_ text: String, _ path: FieldPath) -> RetryConditions {
        var conditions: RetryConditions = []
        for word in text.split(separator: ",") {
            let name = word.trimmingSpaces
            if name.isEmpty { continue }
            if let (_, condition) = RetryConditions.names.first(where: { $0.0 == name }) {
                conditions.insert(condition)
            } else if name == "http3-post-connect-failure" {
                context.report.skip(
                    "retry_on http3-post-connect-failure", reason: "there are no HTTP/3 upstreams that could fail so",
                    path: path)
            } else {
                let known = RetryConditions.names.map(\.0)
                context.bad(
                    path,
                    "\(quotedForMessage(name)) is not a retry condition"
                        + (Suggestion.nearest(to: name, among: known).map { "; did you mean \"\($0)\"?" }
                            ?? "; it takes \(known.joined(separator: ", "))"))
            }
        }
        return conditions
    }

    private func rateLimited(_ backoff: API.RetryPolicy.RateLimitedRetryBackOff) -> RateLimitedBackoffSpec {
        let headers = backoff.resetHeaders.map { header in
            RateLimitedBackoffSpec.ResetHeader(
                name: header.name.lowercased(), format: header.format == .unixTimestamp ? .unixTimestamp : .seconds)
        }
        var spec = RateLimitedBackoffSpec(resetHeaders: headers)
        if backoff.hasMaxInterval { spec.maxInterval = context.amount(backoff.maxInterval) }
        return spec
    }
}

extension Substring {
    /// Without the spaces and tabs at both ends.
    fileprivate var trimmingSpaces: String {
        var rest = drop { $0 == " " || $0 == "\t" }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }
}

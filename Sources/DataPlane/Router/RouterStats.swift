// The router's counters: `http.<prefix>.`, virtual clusters, routes with a stat prefix, and retries not made.
import Metrics

/// Counters of one router, resolved once. Envoy page: router, "Statistics".
final class RouterStats {
    let noRoute: Counter
    let noCluster: Counter
    let rqRedirect: Counter
    let rqDirectResponse: Counter
    let rqTotal: Counter
    let rqResetAfterResponseStarted: Counter
    let rqOverloadLocalReply: Counter
    /// `passthrough_internal_redirect_*`: redirects that were to be followed and went to the client, by reason.
    let redirectBadLocation: Counter
    let redirectUnsafeScheme: Counter
    let redirectTooMany: Counter
    let redirectNoRoute: Counter
    let redirectPredicate: Counter
    /// Outrider's own: retries that the policy asked for and that were not made, by reason.
    let retryNoTime: Counter
    let retryBodyTooLarge: Counter
    let retryResponseStarted: Counter

    init(_ cells: StatCells, statPrefix: String) {
        let prefix = "http." + statPrefix + "."
        noRoute = cells.counter(prefix + "no_route")
        noCluster = cells.counter(prefix + "no_cluster")
        rqRedirect = cells.counter(prefix + "rq_redirect")
        rqDirectResponse = cells.counter(prefix + "rq_direct_response")
        rqTotal = cells.counter(prefix + "rq_total")
        rqResetAfterResponseStarted = cells.counter(prefix + "rq_reset_after_downstream_response_started")
        rqOverloadLocalReply = cells.counter(prefix + "rq_overload_local_reply")
        redirectBadLocation = cells.counter(prefix + "passthrough_internal_redirect_bad_location")
        redirectUnsafeScheme = cells.counter(prefix + "passthrough_internal_redirect_unsafe_scheme")
        redirectTooMany = cells.counter(prefix + "passthrough_internal_redirect_too_many_redirects")
        redirectNoRoute = cells.counter(prefix + "passthrough_internal_redirect_no_route")
        redirectPredicate = cells.counter(prefix + "passthrough_internal_redirect_predicate")
        retryNoTime = cells.counter(prefix + "rq_retry_suppressed_deadline")
        retryBodyTooLarge = cells.counter(prefix + "rq_retry_suppressed_body_too_large")
        retryResponseStarted = cells.counter(prefix + "rq_retry_suppressed_response_started")
    }
}

/// `vhost.<v>.vcluster.<c>.` and `vhost.<v>.route.<r>.`.
final class RequestGroupStats {
    let rqTotal: Counter
    let rqTimeout: Counter
    let rqRetry: Counter
    let rqRetryLimitExceeded: Counter
    let rqRetryOverflow: Counter
    let rqRetrySuccess: Counter
    let responses: ResponseStats
    /// Keeps them.
    private let cells: StatCells

    /// `prefix` ends in a dot.
    init(_ cells: StatCells, prefix: String) {
        self.cells = cells
        rqTotal = cells.counter(prefix + "upstream_rq_total")
        rqTimeout = cells.counter(prefix + "upstream_rq_timeout")
        rqRetry = cells.counter(prefix + "upstream_rq_retry")
        rqRetryLimitExceeded = cells.counter(prefix + "upstream_rq_retry_limit_exceeded")
        rqRetryOverflow = cells.counter(prefix + "upstream_rq_retry_overflow")
        rqRetrySuccess = cells.counter(prefix + "upstream_rq_retry_success")
        responses = ResponseStats(cells: cells, prefix: prefix)
    }
}

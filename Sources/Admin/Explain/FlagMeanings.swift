// What response flags mean, for people who do not know them by heart.
import DataPlane

enum FlagMeanings {
    private static let all: [(flag: ResponseFlags, meaning: String)] = [
        (
            .upstreamRetryLimitExceeded,
            "it was tried as often as the retry or connect policy allows (or a limit of connections turned it away)"
        ),
        (.upstreamOverflow, "a circuit breaker of the cluster is full"),
        (.failedLocalHealthCheck, "this proxy fails its own health checks"),
        (.noHealthyUpstream, "the cluster has no host that may be used: see /clusters"),
        (.upstreamRequestTimeout, "the upstream did not answer in time"),
        (.localReset, "this proxy reset the stream to the upstream"),
        (.upstreamRemoteReset, "the upstream reset the stream"),
        (.upstreamConnectionFailure, "no connection to the upstream could be made"),
        (.upstreamConnectionTermination, "the upstream closed or reset the connection"),
        (.noRouteFound, "no route, or no filter chain, matches"),
        (.delayInjected, "a fault filter delayed it on purpose"),
        (.faultInjected, "a fault filter answered it on purpose"),
        (.rateLimited, "a rate limit is used up"),
        (.unauthorizedExternalService, "the authorization service said no"),
        (.rateLimitServiceError, "the rate limit service failed"),
        (.downstreamConnectionTermination, "the client closed the connection before the end"),
        (.streamIdleTimeout, "nothing moved on the stream for too long"),
        (.invalidEnvoyRequestHeaders, "an x-envoy- header of the request has a value that strict checks refuse"),
        (.downstreamProtocolError, "the client broke the protocol"),
        (.upstreamMaxStreamDurationReached, "the stream to the upstream lived as long as it may"),
        (.noFilterConfigFound, "a filter's configuration has not come yet"),
        (.durationTimeout, "the connection or stream lived as long as it may"),
        (.upstreamProtocolError, "the upstream broke the protocol"),
        (.noClusterFound, "the cluster that the route names does not exist"),
        (.overloadManagerTerminated, "the proxy was overloaded"),
        (.dnsResolutionFailed, "the upstream's name could not be resolved"),
        (.downstreamRemoteReset, "the client reset the stream before the end"),
        (.responseFromCacheFilter, "the answer came from a cache"),
        (.dropOverload, "the control plane asks for a share of the requests to be dropped"),
        (.unconditionalDropOverload, "the control plane asks for all requests to be dropped"),
    ]

    /// `UF (UpstreamConnectionFailure): no connection to the upstream could be made`, one a flag.
    static func lines(_ flags: ResponseFlags) -> [String] {
        ResponseFlags.names.filter { flags.contains($0.flag) }.map { name in
            let meaning = all.first { $0.flag == name.flag }?.meaning
            return "\(name.short) (\(name.long))" + (meaning.map { ": \($0)" } ?? "")
        }
    }
}

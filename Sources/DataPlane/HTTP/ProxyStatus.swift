// proxy-status (RFC 9209): which proxy went wrong, and how, in a form that programs read.
import HTTPWire
import Reactor

/// Builds `proxy-status` from response flags with Envoy's mapping. Used only where `proxy_status_config` is set.
enum ProxyStatus {
    /// Flag, error word of RFC 9209 (section 2.3) and its recommended status; the first flag that is set decides.
    private static let errors: [(flag: ResponseFlags, error: String, status: Int?)] = [
        (.failedLocalHealthCheck, "destination_unavailable", 503),
        (.noHealthyUpstream, "destination_unavailable", 503),
        (.upstreamRequestTimeout, "http_response_timeout", 504),
        (.localReset, "connection_timeout", 504),
        (.upstreamRemoteReset, "connection_terminated", 502),
        (.upstreamConnectionFailure, "connection_refused", 502),
        (.upstreamConnectionTermination, "connection_terminated", 502),
        (.upstreamOverflow, "connection_limit_reached", 503),
        (.noRouteFound, "destination_not_found", 500),
        (.rateLimited, "connection_limit_reached", 503),
        (.rateLimitServiceError, "connection_limit_reached", 503),
        (.upstreamRetryLimitExceeded, "destination_unavailable", 503),
        (.streamIdleTimeout, "http_response_timeout", 504),
        (.invalidEnvoyRequestHeaders, "http_request_error", nil),
        (.downstreamProtocolError, "http_request_error", nil),
        (.upstreamMaxStreamDurationReached, "http_response_timeout", 504),
        (.noFilterConfigFound, "proxy_configuration_error", 500),
        (.upstreamProtocolError, "http_protocol_error", 502),
        (.noClusterFound, "destination_unavailable", 503),
        (.dnsResolutionFailed, "dns_error", 502),
    ]

    /// Adds the header, and sets the recommended status where that is configured, when a flag says what went wrong.
    static func apply(_ spec: ProxyStatusSpec, _ headers: HeaderMap, _ info: StreamInfo, _ scratch: inout ByteArena) {
        guard let entry = errors.first(where: { info.flags.contains($0.flag) }) else { return }
        var text = spec.proxyName + "; error=" + entry.error
        if !spec.removeDetails && !info.responseCodeDetails.isEmpty {
            var details = [info.responseCodeDetails]
            if !spec.removeConnectionTerminationDetails && !info.connectionTerminationDetails.isEmpty {
                details.append(info.connectionTerminationDetails)
            }
            if !spec.removeResponseFlags {
                let short = ResponseFlags.names.filter { info.flags.contains($0.flag) }.map(\.short)
                details.append(short.joined(separator: ","))
            }
            text += "; details=\"" + details.joined(separator: "; ") + "\""
        }
        text.withUTF8 {
            ListHeader.append(
                headers, HeaderKey(.proxyStatus), ByteView(", "), ByteView(UnsafeRawBufferPointer($0)), &scratch)
        }
        if spec.setRecommendedResponseCode, let status = entry.status { headers.status = status }
    }
}

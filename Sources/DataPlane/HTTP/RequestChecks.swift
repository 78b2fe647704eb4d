// The checks and clean-ups of a request's target before anything looks at it: host, path, slashes, port.
import HTTPWire
import Reactor

/// Envoy's order: host, path present and relative, path normalisation, host port.
final class RequestChecks {
    private let paths: PathRules
    private let stripAnyPort: Bool
    private let stripMatchingPort: Bool
    private let stripTrailingDot: Bool

    enum Outcome {
        case passed
        case refused(LocalReply)
        /// 307 to the cleaned path.
        case redirect
    }

    init(_ spec: HTTPConnectionManagerSpec) {
        let slashes: PathRules.EscapedSlashes =
            switch spec.escapedSlashes {
            case .keep: .keep
            case .reject: .reject
            case .redirect: .redirect
            case .unescape: .unescape
            }
        paths = PathRules(normalize: spec.normalizePath, mergeSlashes: spec.mergeSlashes, escapedSlashes: slashes)
        stripAnyPort = spec.stripAnyHostPort
        stripMatchingPort = spec.stripMatchingHostPort
        stripTrailingDot = spec.stripTrailingHostDot
    }

    /// Checks the target and writes it clean. `localPort` is the one that the client connected to.
    func apply(_ headers: HeaderMap, localPort: UInt16, _ stats: HTTPManagerStats) -> Outcome {
        guard headers.hasAuthority else {
            return .refused(LocalReply(400, "missing host header", details: CodeDetails.missingHost))
        }
        if headers.methodKind != .connect || !headers.path.isEmpty {
            if headers.path.isEmpty {
                return .refused(LocalReply(404, "the request has no path", details: CodeDetails.missingPath))
            }
            if headers.path.first != UInt8(ascii: "/") {
                stats.rqNonRelativePath.increment()
                return .refused(LocalReply(404, "the path does not begin with /", details: CodeDetails.absolutePath))
            }
            switch paths.apply(to: headers) {
            case .unchanged, .changed:
                break
            case .redirect where !GRPCRules.isRequest(headers):
                stats.rqRedirectedWithNormalizedPath.increment()
                return .redirect
            case .redirect, .reject:
                stats.rqFailedPathNormalization.increment()
                return .refused(
                    LocalReply(
                        400, "the path is refused by normalize_path or path_with_escaped_slashes_action",
                        details: CodeDetails.pathNormalizationFailed))
            }
        }
        cleanHost(headers, localPort)
        return .passed
    }

    private func cleanHost(_ headers: HeaderMap, _ localPort: UInt16) {
        if stripTrailingDot, let host = AuthorityRules.withoutTrailingDot(headers.authority) {
            host.withUnsafeBytes { headers.setAuthority(ByteView($0)) }
        }
        let authority = headers.authority
        if stripAnyPort {
            let host = AuthorityRules.withoutPort(authority)
            if host.count < authority.count { headers.setAuthority(host) }
        } else if stripMatchingPort {
            let host = AuthorityRules.withoutPort(authority, ifEqual: localPort)
            if host.count < authority.count { headers.setAuthority(host) }
        }
    }
}

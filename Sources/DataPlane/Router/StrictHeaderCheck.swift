// `strict_check_headers`: control headers that must be valid when they are there.
import HTTPWire
import Reactor

/// The headers to check, compiled. Envoy page: router, "strict_check_headers".
struct StrictHeaderCheck {
    private enum Rule { case number, retryWords }
    private let rules: [(name: HeaderName, rule: Rule)]

    init(_ names: [String]) {
        rules = names.compactMap { name in
            switch name.lowercased() {
            case "x-envoy-upstream-rq-timeout-ms": (.xEnvoyUpstreamRQTimeoutMs, .number)
            case "x-envoy-upstream-rq-per-try-timeout-ms": (.xEnvoyUpstreamRQPerTryTimeoutMs, .number)
            case "x-envoy-max-retries": (.xEnvoyMaxRetries, .number)
            case "x-envoy-retry-on": (.xEnvoyRetryOn, .retryWords)
            case "x-envoy-retry-grpc-on": (.xEnvoyRetryGRPCOn, .retryWords)
            default: nil
            }
        }
    }

    /// The answer to the first header that is not valid.
    func firstFault(_ request: HeaderMap) -> LocalReply? {
        for (name, rule) in rules {
            guard let value = request.value(name) else { continue }
            let isValid =
                switch rule {
                case .number: value.decimal != nil
                case .retryWords: RetryState.conditions(value).allKnown
                }
            guard !isValid else { continue }
            let shown = value.count > 64 ? value.prefix(64).string + "..." : value.string
            return LocalReply(
                400, "invalid header '\(name.text)' with value '\(shown)'",
                details: "\(CodeDetails.invalidEnvoyHeaders){\(name.text)}", flags: .invalidEnvoyRequestHeaders)
        }
        return nil
    }
}

// What an upstream that failed looks like from outside: status, flag, details and body, in Envoy's words.
import HTTPWire
import Reactor

extension StreamResetReason {
    /// The words of bodies and details.
    var words: String {
        switch self {
        case .connectionTermination: "connection termination"
        case .connectFailure: "remote connection failure"
        case .localConnectFailure: "local connection failure"
        case .connectTimeout: "connection timeout"
        case .overflow: "overflow"
        case .remoteReset: "remote reset"
        case .remoteRefused: "remote refused stream reset"
        case .protocolError: "protocol error"
        case .localReset: "local reset"
        }
    }

    var flag: ResponseFlags {
        switch self {
        case .connectFailure, .localConnectFailure, .connectTimeout: .upstreamConnectionFailure
        case .connectionTermination: .upstreamConnectionTermination
        case .overflow: .upstreamOverflow
        case .remoteReset, .remoteRefused: .upstreamRemoteReset
        case .protocolError: .upstreamProtocolError
        case .localReset: .localReset
        }
    }

    /// The status of the answer.
    var status: Int { self == .protocolError ? 502 : 503 }
}

/// The answers to failed tries.
enum UpstreamFailure {
    /// "upstream connect error or disconnect/reset before headers. reset reason: ..."; the transport's own text
    /// (`detail`) stands in the code details and not in the body, as in Envoy 1.40: it names addresses. `setting`, the
    /// limit of ours that decided, stands in the body.
    static func reply(
        _ reason: StreamResetReason, detail: String, setting: String, wasRetried: Bool, isLate: Bool
    ) -> LocalReply {
        let retried = wasRetried ? "retried and the latest " : ""
        let decided = setting.isEmpty ? "" : ": \(setting)"
        let body =
            "upstream connect error or disconnect/reset before headers. \(retried)reset reason: \(reason.words)\(decided)"
        let kind = isLate ? CodeDetails.lateReset : CodeDetails.earlyReset
        let inside = detail.isEmpty ? reason.words : "\(reason.words)|\(detail)"
        return LocalReply(
            reason.status, body, details: CodeDetails.clean("\(kind){\(inside)}"), flags: reason.flag,
            decidedBy: setting)
    }
}

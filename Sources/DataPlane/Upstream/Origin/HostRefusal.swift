// Why an ORIGINAL_DST cluster does not go where a client wants to.

/// A destination that is known and not connected to. Answered with 503 and counted.
public enum HostRefusal: Sendable, Equatable {
    /// It is one of our own listeners, which has this name (`original_dst_loop_refused`).
    case ownListener(String)
    /// The client is this process itself, over and over (`original_dst_loop_refused`).
    case circling(passes: Int)
    /// `outrider.upstream.max_original_dst_hosts` are in use (`original_dst_host_overflow`).
    case tooManyHosts(limit: Int)

    /// For the log and behind the answer's first words; names no address.
    var message: String {
        switch self {
        case .ownListener(let name):
            "the original destination is listener '\(name)' of this proxy"
        case .circling(let passes):
            "the connection came through this proxy \(passes) times; the redirect rules have to leave its own"
                + " connections alone"
        case .tooManyHosts(let limit):
            "outrider.upstream.max_original_dst_hosts \(limit)"
        }
    }

    /// `%RESPONSE_CODE_DETAILS%`.
    var details: String {
        switch self {
        case .ownListener, .circling: "original_dst_loop"
        case .tooManyHosts: "original_dst_host_overflow"
        }
    }

    var flags: ResponseFlags {
        switch self {
        case .ownListener, .circling: .noHealthyUpstream
        case .tooManyHosts: .upstreamOverflow
        }
    }

    var isOverload: Bool { flags == .upstreamOverflow }
}

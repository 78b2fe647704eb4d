// What rate limit services are told of requests that are over (`apply_on_stream_done`).
import Reactor

/// The calls of one filter. As many are under way as the breakers of the service's cluster and the filter's timeout let
/// be; those that are over serve again. Loop thread only.
final class RateLimitFarewells {
    private var idle: [RateLimitFarewell] = []

    /// Calls that are kept for the next requests.
    private static let kept = 16

    /// Nobody waits for the answer, and it changes nothing.
    func tell(_ question: [UInt8], _ filter: GlobalRateLimit, _ stream: HTTPStream) {
        let call = idle.popLast() ?? RateLimitFarewell(stream.loop)
        call.start(question, filter, stream) { [self] call in
            if idle.count < RateLimitFarewells.kept { idle.append(call) }
        }
    }
}

/// One call, which holds itself until it is over.
final class RateLimitFarewell: GRPCSideCallOwner {
    private let call: GRPCSideCall
    private var filter: GlobalRateLimit?
    private var core: HTTPManagerCore?
    private var done: ((RateLimitFarewell) -> Void)?

    init(_ loop: EventLoop) { call = GRPCSideCall(loop: loop) }

    func start(
        _ question: [UInt8], _ filter: GlobalRateLimit, _ stream: HTTPStream,
        done: @escaping (RateLimitFarewell) -> Void
    ) {
        self.filter = filter
        core = stream.core
        self.done = done
        call.start(question, to: filter.method, on: filter.upstream, owner: self)
    }

    func grpcCallEnded(_ call: GRPCSideCall, _ end: GRPCSideCallEnd) {
        if case .failed(let reason) = RateLimitVerdict(end, namespace: GlobalRateLimit.namespace), let core {
            filter?.note(reason, core)
        }
        let done = done
        filter = nil
        core = nil
        self.done = nil
        done?(self)
    }
}

// A request while it is not known whether it is over its limit.
import HTTPWire
import Reactor

/// One a stream that a rate limit service was asked about, used again for its later requests. Loop thread only.
final class StreamRateLimit: FilterHold, GRPCSideCallOwner {
    private struct Case {
        let filter: GlobalRateLimit
        let stream: HTTPStream
        let filters: StreamFilters
        let question: [UInt8]
    }

    /// nil: nothing is asked.
    private var open: Case?
    private let call: GRPCSideCall

    init(loop: EventLoop) { call = GRPCSideCall(loop: loop) }

    func begin(_ filter: GlobalRateLimit, _ stream: HTTPStream, _ filters: StreamFilters, _ question: [UInt8]) {
        open = Case(filter: filter, stream: stream, filters: filters, question: question)
        call.start(question, to: filter.method, on: filter.upstream, owner: self)
    }

    func cancel() {
        open = nil
        call.cancel()
    }

    func grpcCallEnded(_ call: GRPCSideCall, _ end: GRPCSideCallEnd) {
        guard let last = open else { return }
        open = nil
        last.filter.apply(
            RateLimitVerdict(end, namespace: GlobalRateLimit.namespace), last.stream, last.filters, last.question)
    }
}

/// A service's answer, or that there is none.
enum RateLimitVerdict {
    case answered(RateLimitAnswer)
    /// `reason` is for people.
    case failed(reason: String)

    /// - Parameter namespace: of the answer's metadata.
    init(_ end: GRPCSideCallEnd, namespace: String) {
        switch end {
        case .answered(let message):
            self =
                RateLimitAnswer(message, namespace: namespace).map { .answered($0) }
                ?? .failed(reason: "the answer is no RateLimitResponse")
        case .failed(_, let reason): self = .failed(reason: reason)
        }
    }
}

// A request while it is not known whether it may pass: its body is gathered, then the service is asked.
import HTTPWire
import Reactor

/// One a stream that a service was asked about, used again for its later requests. Loop thread only.
final class StreamAuthorization: FilterHold {
    private struct Case {
        let filter: ExtAuthz
        let stream: HTTPStream
        let filters: StreamFilters
        let request: any FilteredRequest
    }

    private enum Phase {
        case idle
        /// The service wants to see the body.
        case gathering(Case)
        case asking(Case)
    }

    private let loop: EventLoop
    private var phase = Phase.idle
    private lazy var call = SideCall(loop: loop)
    private lazy var grpc = GRPCSideCall(loop: loop)

    init(loop: EventLoop) { self.loop = loop }

    func begin(
        _ filter: ExtAuthz, _ stream: HTTPStream, _ filters: StreamFilters, _ request: any FilteredRequest
    ) -> FilterVerdict {
        let question = Case(filter: filter, stream: stream, filters: filters, request: request)
        let hasBody = !stream.isRequestComplete || request.heldBytes > 0
        guard filter.body != nil, stream.upgrade == .none, hasBody else {
            ask(question, body: nil)
            return .held(self)
        }
        phase = .gathering(question)
        // An earlier filter may have held all of it.
        return gather(question, isComplete: stream.isRequestComplete) ? .held(self) : .answered
    }

    var wantedBytes: Int? {
        guard case .gathering(let question) = phase, let limit = question.filter.body else { return nil }
        return limit.allowsPartial ? limit.maxBytes : limit.maxBytes + 1
    }

    func bodyCame(isComplete: Bool) {
        if case .gathering(let question) = phase { _ = gather(question, isComplete: isComplete) }
    }

    /// Asks when there is enough of the body. False: it is too long, and the request was answered.
    private func gather(_ question: Case, isComplete: Bool) -> Bool {
        guard let limit = question.filter.body else { return true }
        let held = question.request.heldBytes
        if held > limit.maxBytes && !limit.allowsPartial {
            phase = .idle
            question.stream.stats.rqTooLarge.increment()
            question.stream.reply(LocalReply(413, "Payload Too Large", details: "request_payload_too_large"))
            return false
        }
        guard isComplete || limit.allowsPartial && held >= limit.maxBytes else { return true }
        let bytes = question.request.heldBody(upTo: limit.maxBytes)
        ask(
            question,
            body: bytes.isEmpty ? nil : AuthorizationBody(bytes: bytes, isPartial: !isComplete || held > bytes.count))
        return true
    }

    private func ask(_ question: Case, body: AuthorizationBody?) {
        phase = .asking(question)
        let filter = question.filter
        switch filter.service {
        case .grpc(let method):
            grpc.start(filter.question(question.stream, body: body), to: method, on: filter.upstream, owner: self)
        case .http(let http):
            http.ask(question.stream, filter.headers, body: body, call)
            call.start(on: filter.upstream, http.rules, owner: self)
        }
    }

    func cancel() {
        let last = phase
        phase = .idle
        guard case .asking(let question) = last else { return }
        if case .grpc = question.filter.service { grpc.cancel() } else { call.cancel() }
    }

    private func end(_ verdict: (Case) -> AuthorizationVerdict) {
        guard case .asking(let question) = phase else { return }
        phase = .idle
        question.filter.apply(verdict(question), question.stream, question.filters)
    }
}

extension StreamAuthorization: SideCallOwner {
    func sideCallEnded(_ call: SideCall, _ end: SideCallEnd) {
        self.end { question in
            switch end {
            case .failed(let failure): .failed(nil, reason: failure.description)
            case .answered:
                if case .http(let http) = question.filter.service {
                    http.verdict(call)
                } else {
                    .failed(nil, reason: "")
                }
            }
        }
    }
}

extension StreamAuthorization: GRPCSideCallOwner {
    func grpcCallEnded(_ call: GRPCSideCall, _ end: GRPCSideCallEnd) {
        self.end { _ in
            switch end {
            case .answered(let message): CheckResponseReader.verdict(message)
            case .failed(_, let reason): .failed(nil, reason: reason)
            }
        }
    }
}

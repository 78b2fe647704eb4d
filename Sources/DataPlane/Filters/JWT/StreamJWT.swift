// A request while it is not known whether its tokens are good: the keys are under way.
import HTTPWire
import Reactor

/// One a stream that was asked for tokens, used again for its later requests. Loop thread only.
final class StreamJWT: FilterHold, RemoteKeysWaiter {
    private struct Question {
        let filter: HTTPJWT
        let requirement: JWTRequirement
        let stream: HTTPStream
        let filters: StreamFilters
    }

    private var question: Question?
    private var source: RemoteKeys?
    /// Those that were waited for.
    private var answered: [RemoteKeys] = []

    func begin(
        _ filter: HTTPJWT, _ requirement: JWTRequirement, _ stream: HTTPStream, _ filters: StreamFilters
    ) -> FilterVerdict {
        answered = []
        let question = Question(filter: filter, requirement: requirement, stream: stream, filters: filters)
        switch judge(question) {
        case nil: return .held(self)
        case .ok?: return .passed
        case let status?:
            filter.refuse(stream, status)
            return .answered
        }
    }

    /// nil: keys are waited for.
    private func judge(_ question: Question) -> JWTStatus? {
        let stream = question.stream
        let stats = question.filter.authn.stats
        var attempt = JWTCase(
            stream.requestHeaders, question.filter.authn.providers, now: stream.loop.wallNow, time: stream.loop.now,
            answered: answered)
        guard let status = attempt.judge(question.requirement) else {
            guard let wanted = attempt.wanted else { return .verificationFailed }
            self.question = question
            source = wanted
            wanted.wait(self)
            return nil
        }
        stats.cacheHit.add(UInt64(attempt.cacheHits))
        stats.cacheMiss.add(UInt64(attempt.cacheMisses))
        if status == .ok {
            attempt.applyEffects()
            stats.allowed.increment()
        }
        return status
    }

    func keysCame() {
        guard let last = question, let source else { return }
        question = nil
        self.source = nil
        answered.append(source)
        switch judge(last) {
        case nil: break
        case .ok?: last.filters.release(last.stream)
        case let status?: last.filter.refuse(last.stream, status)
        }
    }

    func cancel() {
        source?.cancel(self)
        question = nil
        source = nil
    }
}

// The answer to a health check that is given again for some time.
import Reactor
import Synchronization

/// One a filter, for all workers: the app is asked once in `time`, not once by each of them.
public final class CheckCache: Sendable {
    struct Answer: Equatable {
        var status: Int
        var isDegraded: Bool
    }

    private let time: TimeAmount
    /// The end in ms of the loop's clock, above the answer's 16 bits. 0: nothing is known.
    private let state = Atomic<UInt64>(0)

    /// - Parameter time: `cache_time`, more than zero.
    public init(time: TimeAmount) { self.time = time }

    /// nil: the app is to be asked.
    func answer(now: MonotonicTime) -> Answer? {
        let word = state.load(ordering: .relaxed)
        guard word >> 16 > CheckCache.milliseconds(now) else { return nil }
        return Answer(status: Int(word & 0x7fff), isDegraded: word & 0x8000 != 0)
    }

    /// Keeps an answer. As in Envoy, later ones replace it and do not make it last any longer.
    func keep(_ answer: Answer, now: MonotonicTime) {
        let current = CheckCache.milliseconds(now)
        let old = state.load(ordering: .relaxed) >> 16
        let end = old > current ? old : current &+ UInt64(clamping: max(1, time.milliseconds))
        let low = UInt64(clamping: answer.status) & 0x7fff | (answer.isDegraded ? 0x8000 : 0)
        state.store(min(end, UInt64.max >> 16) << 16 | low, ordering: .relaxed)
    }

    private static func milliseconds(_ time: MonotonicTime) -> UInt64 {
        time.ns / 1_000_000
    }
}

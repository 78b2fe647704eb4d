// What a worker asks before it takes more on.
import Metrics
import Reactor

/// One worker's view of the overload manager, where one is configured. Listeners with `bypass_overload_manager` have none.
/// Loop thread only.
public final class OverloadGate {
    let state: OverloadState
    private let shed: [Counter?]
    private var random = FastRandom()
    private var log = OffenceLog(label: "connection", place: "overload manager")
    /// How far `reduce_timeouts` goes on this worker, from 0 to 1: all that is armed is in line with it.
    private(set) var reduction = 0.0
    /// No connections are to be accepted.
    private(set) var isClosed = false

    init(_ state: OverloadState, _ points: [OverloadPoint], cells: StatCells) {
        self.state = state
        shed = OverloadPoint.allCases.map { point in
            let isCounted = !point.isAction && points.contains(point)
            return isCounted ? cells.counter("overload.\(point.name).shed_load_count") : nil
        }
        follow()
    }

    /// Whether this one is to be refused or shed, by a throw of the dice where the action is scaled.
    @inline(__always)
    func refuses(_ point: OverloadPoint) -> Bool {
        let word = state.word(point)
        return word != 0 && roll(word, point)
    }

    @inline(never)
    private func roll(_ word: UInt64, _ point: OverloadPoint) -> Bool {
        let share = UInt32(truncatingIfNeeded: word >> 32)
        guard share == .max || UInt32(truncatingIfNeeded: random.next() >> 32) < share else { return false }
        shed[point.rawValue]?.increment()
        return true
    }

    /// The first of these that refuses.
    @inline(__always)
    func refusal(_ first: OverloadPoint, _ second: OverloadPoint) -> OverloadPoint? {
        if refuses(first) { return first }
        return refuses(second) ? second : nil
    }

    /// Tells people of something that was refused; not more often than they can read.
    func note(_ point: OverloadPoint, _ what: @autoclosure () -> String, now: MonotonicTime) {
        log.note("\(what()): \(state.reason(point))", now: now)
    }

    /// Takes over what concerns connections that nothing happens on.
    func follow() {
        reduction = state.share(.reduceTimeouts)
        isClosed = state.share(.stopAcceptingConnections) >= 1
    }

    // MARK: Timeouts

    /// Streams have to be found when timeouts change.
    var reducesStreams: Bool { state.reductions.contains { $0.timer == .streamIdle } }

    /// What is left of a timeout at this moment.
    func reduced(_ timer: ReducibleTimeout, _ limit: TimeAmount) -> TimeAmount {
        reduction == 0 ? limit : reduced(timer, limit, by: reduction)
    }

    /// What is left of a timeout at another moment.
    func reduced(_ timer: ReducibleTimeout, _ limit: TimeAmount, by reduction: Double) -> TimeAmount {
        guard let rule = state.reductions.first(where: { $0.timer == timer }) else { return limit }
        let least: Double
        switch rule.least {
        case .amount(let amount): least = min(Double(amount.nanoseconds), Double(limit.nanoseconds))
        case .share(let share): least = Double(limit.nanoseconds) * share
        }
        let left = least + (Double(limit.nanoseconds) - least) * (1 - reduction)
        return left < 9e18 ? .nanoseconds(Int64(left)) : limit
    }

    /// Whether a timeout is less than it is configured to be.
    func reduces(_ timer: ReducibleTimeout) -> Bool {
        reduction > 0 && state.reductions.contains { $0.timer == timer }
    }

    /// Why timeouts are reduced, for people.
    var reductionReason: String { "reduced by \(state.reason(.reduceTimeouts))" }
}

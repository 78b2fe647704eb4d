// What is said of a stream that fails again and again.
import Logging
import Reactor

/// The first failure at once, later ones every half a minute with their number. Main thread only.
struct FailureLog {
    private static let pause = TimeAmount.seconds(30)
    private let log: Logger
    private var last: MonotonicTime?
    private var leftOut = 0
    private var isFailing = false

    init(_ log: Logger) { self.log = log }

    mutating func note(_ text: String, now: MonotonicTime) {
        isFailing = true
        if let last, now - last < FailureLog.pause {
            leftOut += 1
            return
        }
        last = now
        let others = leftOut > 0 ? " (\(leftOut) failures before were not logged)" : ""
        leftOut = 0
        log.warning("\(text)\(others)")
    }

    mutating func recovered(_ text: String, now: MonotonicTime) {
        guard isFailing else { return }
        isFailing = false
        log.info("\(text)")
    }
}

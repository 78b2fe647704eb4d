// What is said of a stream that fails again and again.
import Logging
import Reactor

/// The first failures at once, later ones every half a minute with their number. Main thread only.
struct FailureLog {
    private static let pause = TimeAmount.seconds(30)
    private let log: Logger
    /// How many are said in half a minute.
    private let most: Int
    private var began: MonotonicTime?
    private var said = 0
    private var leftOut = 0
    private var isFailing = false

    init(_ log: Logger, most: Int = 1) {
        self.log = log
        self.most = most
    }

    mutating func note(_ text: String, now: MonotonicTime) {
        isFailing = true
        if let began, now - began < FailureLog.pause {
            guard said < most else {
                leftOut += 1
                return
            }
        } else {
            began = now
            said = 0
        }
        said += 1
        let others = leftOut > 0 ? " (\(leftOut) before it were not logged)" : ""
        leftOut = 0
        log.warning("\(text)\(others)")
    }

    mutating func recovered(_ text: String, now: MonotonicTime) {
        guard isFailing else { return }
        isFailing = false
        log.info("\(text)")
    }
}

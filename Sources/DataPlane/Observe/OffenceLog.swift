// Lines about peers that misbehave, for people: bounded, so that nobody fills the log from outside.
import Logging
import Reactor

/// At most ten lines a second; says how many were left out. One a worker and place; loop thread only.
struct OffenceLog {
    private static let perSecond = 10
    private let logger: Logger
    private let place: String
    private var second: UInt64 = 0
    private var written = 0
    private var leftOut = 0

    /// `place` begins each line: "listener 'main'".
    init(label: String, place: String) {
        logger = Logger(label: label)
        self.place = place
    }

    mutating func note(_ text: @autoclosure () -> String, now: MonotonicTime) {
        let current = now.ns / 1_000_000_000
        if current != second {
            second = current
            written = 0
        }
        guard written < OffenceLog.perSecond else {
            leftOut += 1
            return
        }
        written += 1
        let others = leftOut > 0 ? " (\(leftOut) others were not logged)" : ""
        leftOut = 0
        logger.info("\(place): \(text())\(others)")
    }
}

// Says that clients wait because nothing is left to accept them with.
import Logging
import Reactor

/// At most a line in ten seconds, of one listener and worker. Loop thread only.
struct AcceptFailureLog {
    private static let pause = TimeAmount.seconds(10)
    private let logger = Logger(label: "connection")
    private let listener: String
    private var next = MonotonicTime.zero

    init(listener: String) { self.listener = listener }

    mutating func failed(_ error: SystemError, now: MonotonicTime) {
        guard now >= next else { return }
        next = now + AcceptFailureLog.pause
        logger.warning("listener '\(listener)': new connections wait: \(error)")
    }
}

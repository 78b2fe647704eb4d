// Why clients were not let in, for people: bounded, so that nobody fills the log from outside.
import Logging
import Reactor

/// Logs handshakes that failed, at most ten a second for each listener and worker; says how many were left out.
/// Loop thread only.
struct HandshakeLog {
    private static let perSecond = 10
    private static let logger = Logger(label: "connection")
    private let listener: String
    private var second: UInt64 = 0
    private var written = 0
    private var leftOut = 0

    init(listener: String) { self.listener = listener }

    mutating func failed(_ connection: Connection, now: MonotonicTime) {
        guard let reason = connection.failureReason else { return }
        let current = now.ns / 1_000_000_000
        if current != second {
            second = current
            written = 0
        }
        guard written < Self.perSecond else {
            leftOut += 1
            return
        }
        written += 1
        let others = leftOut > 0 ? " (\(leftOut) others were not logged)" : ""
        leftOut = 0
        Self.logger.info("listener '\(listener)': \(connection.remoteAddress) was not let in: \(reason)\(others)")
    }
}

// Why clients were not let in.
import Reactor

/// Logs connections that ended before a filter served them, of one listener and worker. Loop thread only.
struct EntryLog {
    private var log: OffenceLog

    init(listener: String) { log = OffenceLog(label: "connection", place: "listener '\(listener)'") }

    mutating func failed(_ connection: Connection, now: MonotonicTime) {
        guard let reason = connection.failureReason else { return }
        refused(connection, reason, now: now)
    }

    mutating func refused(_ connection: Connection, _ reason: String, now: MonotonicTime) {
        log.note("\(connection.remoteAddress) was not let in: \(reason)", now: now)
    }
}

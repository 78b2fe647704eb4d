// Why clients were not let in.
import Reactor

/// Logs handshakes that failed, of one listener and worker. Loop thread only.
struct HandshakeLog {
    private var log: OffenceLog

    init(listener: String) { log = OffenceLog(label: "connection", place: "listener '\(listener)'") }

    mutating func failed(_ connection: Connection, now: MonotonicTime) {
        guard let reason = connection.failureReason else { return }
        log.note("\(connection.remoteAddress) was not let in: \(reason)", now: now)
    }
}

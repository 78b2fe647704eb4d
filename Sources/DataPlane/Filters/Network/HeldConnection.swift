// A refused connection that is closed only after a while (`delay_deny`).
import Reactor

/// Reads nothing. Held by its gate until it is over. Loop thread only.
final class HeldConnection: ConnectionDelegate, TimerTarget {
    private let connection: Connection
    private var timer: LoopTimer?
    /// Called once.
    private var end: ((HeldConnection) -> Void)?
    /// Position among the gate's held connections.
    var index = -1

    init(_ connection: Connection, end: @escaping (HeldConnection) -> Void) {
        self.connection = connection
        self.end = end
    }

    func start(_ loop: EventLoop, _ delay: TimeAmount) {
        connection.delegate = self
        connection.pauseReading()
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: delay)
        self.timer = timer
    }

    func release() {
        timer?.disarm()
        timer = nil
        let end = end
        self.end = nil
        end?(self)
    }

    func timerFired(_ timer: LoopTimer) { release() }
    func connectionEstablished(_ connection: Connection) {}
    func connectionReadable(_ connection: Connection) {}
    func connectionDrained(_ connection: Connection) {}
    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) { release() }
}

// What a Connection says to its owner.

/// Who owns a connection's protocol. Called on the loop's thread, never from inside a call into the same connection.
/// Any of these may close the connection.
public protocol ConnectionDelegate: AnyObject {
    /// The connection is up: TCP connected, and the TLS handshake done where there is one. Comes for accepted
    /// connections too.
    func connectionEstablished(_ connection: Connection)
    /// Bytes or the end are there. Call `fill` until it does not say `.data`, or `pauseReading`. What is left unread
    /// is not announced again before more comes.
    func connectionReadable(_ connection: Connection)
    /// Output went from above the high watermark to at most half of it, or became empty after it had been stuck.
    func connectionDrained(_ connection: Connection)
    /// The connection failed, was reset by the peer, could not be made, or has been flushed and closed after
    /// `closeAfterFlush`. Not called after `close`. It is closed already; this is the last call.
    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason)
    /// The peer has sent its FIN. Told at once, also while reading is paused; `fill` comes to the end in its time.
    func connectionPeerFinished(_ connection: Connection)
}

extension ConnectionDelegate {
    public func connectionPeerFinished(_ connection: Connection) {}
}

/// Why a connection is gone.
public enum ConnectionCloseReason: Equatable, Sendable {
    /// No connection could be made: refused, unreachable, no file descriptor, a bad local address.
    indirect case connectFailed(SystemError)
    /// The peer reset it.
    case remoteReset
    /// The TLS handshake or a TLS record was refused by one of the two sides; `failureReason` says why.
    case tlsFailed
    /// The network gave up on it (timed out, host unreachable…).
    indirect case failed(SystemError)
    /// Everything was written after `closeAfterFlush`.
    case flushed
}

/// What `Connection.fill` found.
public enum FillResult: Equatable, Sendable {
    /// This many bytes were added to `input`.
    case data(Int)
    /// Nothing for now; `connectionReadable` will be called when there is.
    case wouldBlock
    /// The peer has finished its direction: no byte will come any more.
    case end
    /// The connection is broken; `connectionClosed` will be called.
    case failed
}

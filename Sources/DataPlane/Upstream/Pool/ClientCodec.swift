// What a pool needs of a client codec, whatever its HTTP version.
import Reactor

/// A codec on one established connection. Loop thread only. It gets the connection's bytes as its delegate.
protocol ClientCodec: ConnectionDelegate {
    /// Begins a stream. The pool calls it only while the codec has room for one.
    func startStream(_ delegate: any UpstreamStreamDelegate) -> any UpstreamStream
    /// Resets the streams on it; the connection is about to be closed by us.
    func abort()
}

/// How a stream ended, as the pool has to know it.
enum StreamEnd {
    /// Both directions are complete, and the connection can carry another stream.
    case reusable
    /// The connection is of no more use. `complete`: both directions came to their end.
    case close(byPeer: Bool, complete: Bool)
    /// Complete, and the last bytes still have to be written.
    case flushThenClose
}

// What a pool needs of a client codec, whatever its HTTP version.
import Reactor

/// A codec on one established connection. Loop thread only. It gets the connection's bytes as its delegate.
protocol ClientCodec: ConnectionDelegate {
    /// Streams that can be under way at once, and how many of them may begin now.
    var capacity: Int { get }
    var room: Int { get }
    /// Begins a stream. The pool calls it only while the codec has room for one.
    func startStream(_ delegate: any UpstreamStreamDelegate) -> any UpstreamStream
    /// Resets the streams on it; the connection is about to be closed by us.
    func abort()
    /// The connection is closed, and the pool has forgotten it: let go of whatever leads back here.
    func connectionGone()
}

/// How a stream ended, as the pool has to know it.
enum StreamEnd {
    /// The stream is over, and the connection can carry another one.
    case reusable
    /// The connection ended under it; the codec sees to the connection.
    case cutShort
    /// The connection is of no more use. `complete`: both directions came to their end.
    case close(byPeer: Bool, complete: Bool)
    /// Complete, and the last bytes still have to be written.
    case flushThenClose
}

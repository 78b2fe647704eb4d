// HTTP/2 streams that are over and serve again, so that no request allocates one.
import HTTPWire

/// Streams that their sessions have released. One for all connections of a connection manager, or of a cluster, on one
/// worker. Loop thread only.
final class HTTP2StreamPool<Stream: HTTP2Stream> {
    /// What a burst has left over is not kept.
    private static var limit: Int { 64 }
    private var idle: [Stream] = []

    /// A stream as good as new; nil: make one. Whoever still holds a stream that is over may go on reading from it: it
    /// serves again only when nobody does.
    func take() -> Stream? {
        guard let last = idle.indices.last, isKnownUniquelyReferenced(&idle[last]) else { return nil }
        let stream = idle.removeLast()
        stream.renew()
        return stream
    }

    /// To be called at the end of `released`.
    func giveBack(_ stream: Stream) {
        if idle.count < HTTP2StreamPool.limit { idle.append(stream) }
    }
}

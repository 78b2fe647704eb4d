// An HTTP connection manager on one worker: takes connections of a filter chain and owns their sessions and streams.
import HTTPWire
import Metrics
import Reactor

/// Serves HTTP on the connections of one filter chain (or of the admin listener). One a worker; loop thread only.
/// Envoy page: HTTP connection management.
public final class HTTPConnectionManager {
    public typealias HandlerFactory = (HTTPStream) -> StreamHandler
    public typealias CodecFactory = (Connection, ServerSession) -> ServerCodec

    let core: HTTPManagerCore
    private let makeHandler: HandlerFactory
    private var sessions: [HTTPServerSession] = []
    /// Streams that wait for a request; bounded, the rest is freed.
    private var freeStreams: [HTTPStream] = []
    /// Streams that ended in this turn of the loop: somebody further up the stack may still hold them.
    private var endedStreams: [HTTPStream] = []
    private var collectsEndedStreams = false
    private static let maxFreeStreams = 256
    /// Streams that serve a request, where the overload manager may want to reduce their timeouts.
    private var runningStreams: [HTTPStream] = []

    /// `makeHandler` makes the handler of a new stream.
    public init(
        _ spec: HTTPConnectionManagerSpec, _ environment: HTTPEnvironment, makeHandler: @escaping HandlerFactory
    ) {
        core = HTTPManagerCore(spec, environment)
        self.makeHandler = makeHandler
    }

    deinit {
        for stream in freeStreams + endedStreams { stream.handler = nil }
    }

    /// Connections that are open.
    public var connectionCount: Int { sessions.count }
    /// Requests that are being served.
    public var activeStreamCount: Int { sessions.reduce(0) { $0 + Int($1.activeStreams) } }
    /// Requests that were ever begun, together with those of managers that share the stats.
    var requestsBegun: UInt64 { core.stats.rqTotal.value }

    /// Connections close with their next response; those that have none within `grace` close then. For the end of a
    /// drain.
    public func drainConnections(grace: TimeAmount) {
        for session in sessions { session.drain(grace: grace) }
    }

    /// Closes all connections now.
    public func closeConnections() {
        for session in sessions { session.closeNow("connection_manager_closed") }
    }

    func add(_ session: HTTPServerSession) {
        session.index = Int32(truncatingIfNeeded: sessions.count)
        sessions.append(session)
    }

    func remove(_ session: HTTPServerSession) {
        let index = Int(session.index)
        guard index >= 0, index < sessions.count, sessions[index] === session else { return }
        let last = sessions.removeLast()
        if last !== session {
            sessions[index] = last
            last.index = session.index
        }
        session.index = -1
    }

    /// A stream without a request.
    func takeStream() -> HTTPStream {
        let stream = freeStreams.popLast() ?? makeStream()
        if core.keepsStreams {
            stream.place = runningStreams.count
            runningStreams.append(stream)
        }
        return stream
    }

    private func makeStream() -> HTTPStream {
        let stream = HTTPStream(core)
        stream.handler = makeHandler(stream)
        return stream
    }

    /// Takes a stream back; it is used again from the next turn of the loop on.
    func recycle(_ stream: HTTPStream) {
        if core.keepsStreams { forgetRunning(stream) }
        endedStreams.append(stream)
        guard !collectsEndedStreams else { return }
        collectsEndedStreams = true
        core.loop.later { [self] in collectEndedStreams() }
    }

    private func forgetRunning(_ stream: HTTPStream) {
        let place = stream.place
        guard place >= 0, place < runningStreams.count, runningStreams[place] === stream else { return }
        let last = runningStreams.removeLast()
        if last !== stream {
            runningStreams[place] = last
            last.place = place
        }
        stream.place = -1
    }

    /// The overload manager has other timeouts now: those of connections and streams move with them.
    func followTimeouts(_ overload: OverloadGate, from before: Double) {
        for session in sessions { session.followTimeouts(overload, from: before) }
        for stream in runningStreams { stream.followTimeouts(overload, from: before) }
    }

    private func collectEndedStreams() {
        collectsEndedStreams = false
        for stream in endedStreams {
            stream.forget()
            if freeStreams.count < HTTPConnectionManager.maxFreeStreams {
                freeStreams.append(stream)
            } else {
                stream.handler = nil
            }
        }
        endedStreams.removeAll(keepingCapacity: true)
    }
}

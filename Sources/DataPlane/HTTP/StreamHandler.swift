// The end of a request's way through the proxy: the wall between the stream logic and the router or the admin server.
import HTTPWire
import Reactor

/// Answers requests. One object a stream, made with it and used again for every request that the stream serves. It
/// may hold the stream: the manager parts the two when it throws the stream away. Loop thread only.
///
/// The answer goes through the stream: `sendInformational`, `sendHead`, `sendBody`, `sendTrailers`, or `reply`. Any of
/// them, and `reset`, may end the stream, which calls `abandon` unless the handler was done by itself.
public protocol StreamHandler: AnyObject {
    /// The head is in `stream.requestHeaders`, checked and cleaned. `end` when neither body nor trailers follow.
    func requestHead(end: Bool)
    /// The handler takes all bytes out of `bytes`.
    func requestBody(_ bytes: inout ByteQueue, end: Bool)
    /// The trailers are in `stream.requestTrailers`; the request is over.
    func requestTrailers()
    /// The client cannot take more of the response for now; it can again.
    func downstreamBackedUp()
    func downstreamDrained()
    /// A deadline that the handler set has passed.
    func deadlinePassed(_ kind: StreamDeadline)
    /// Adds what belongs on every answer of the proxy's own to this request.
    func decorate(_ response: HeaderMap)
    /// Writes down what it knows of the request, which is over.
    func record(on recorder: FlightRecorder)
    /// The stream has ended, or was answered without the handler: stop what runs. May be called when nothing does.
    func abandon()
    /// Forget the request: the next one may come.
    func reset()
}

/// What a handler that answers at once need not think of.
extension StreamHandler {
    public func requestTrailers() {}
    public func downstreamBackedUp() {}
    public func downstreamDrained() {}
    public func deadlinePassed(_ kind: StreamDeadline) {}
    public func decorate(_ response: HeaderMap) {}
    public func record(on recorder: FlightRecorder) {}
    public func abandon() {}
    public func reset() {}
}

/// What a stream waits for. The first ones are the connection manager's, the others the handler's.
public enum StreamDeadline: Int, Sendable {
    case requestHeaders
    case request
    case streamIdle
    case maxDuration
    case accessLog
    /// The route's timeout.
    case response
    case perTry
    case perTryIdle
    case upstreamMaxDuration
    case retryBackoff

    static let count = 10
}

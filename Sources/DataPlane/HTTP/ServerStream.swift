// A downstream stream's two faces, whatever its codec: the wall between the server codecs and the stream logic.
import HTTPWire
import Reactor

/// How a downstream stream ended from the codec's side.
public enum DownstreamResetReason: Sendable, Equatable {
    /// The client closed or reset the connection.
    case connectionTermination
    /// The client reset this stream alone (HTTP/2).
    case remoteReset
    /// We closed the connection (drain deadline, max duration, flush timeout...).
    case localClose
}

/// The response side, implemented by the codecs. Loop thread only.
public protocol ResponseWriter: AnyObject {
    /// A 1xx (100, 103); may be sent several times before the head.
    func sendInformational(_ response: HeaderMap)
    /// `end` when there is neither body nor trailers. The codec decides the framing and adds
    /// `connection: close` when the connection will not be kept.
    func sendHead(_ response: HeaderMap, end: Bool)
    /// Takes all bytes out of `bytes`.
    func sendBody(_ bytes: inout ByteQueue, end: Bool)
    func sendTrailers(_ trailers: HeaderMap)
    /// Flow control of the request body.
    func pauseReading()
    func resumeReading()
    /// The client cannot take more for now: hold the response until `downstreamDrained`.
    var isBackedUp: Bool { get }
    /// Ends the stream without the rest of the response: HTTP/1 closes the connection.
    func reset()
    /// After a 101 or a 2xx to CONNECT: bytes flow both ways, `sendBody(end: true)` is a half-close.
    func becomeTunnel()
    /// The connection will not be used for another request after this stream.
    func closeAfterResponse()
    var httpVersion: HTTPVersion { get }
    var downstream: DownstreamInfo { get }
}

/// The request side, implemented by the stream logic. Calls come from the codec in wire order.
public protocol RequestReceiver: AnyObject {
    /// Where the codec parses the request head and trailers into.
    var requestHeaders: HeaderMap { get }
    var requestTrailers: HeaderMap { get }
    func requestHead(end: Bool)
    /// The receiver takes all bytes out of `bytes`.
    func requestBody(_ bytes: inout ByteQueue, end: Bool)
    func requestTrailersDone()
    /// The request broke a rule before it was complete; nothing more of it will come. The receiver answers.
    func requestFailed(_ failure: HTTP1Failure)
    func downstreamBackedUp()
    func downstreamDrained()
    /// The stream is gone; the writer must not be used any more.
    func downstreamReset(_ reason: DownstreamResetReason)
    /// The last byte of the response was handed to the kernel; the writer is done with this receiver.
    func responseFlushed()
}

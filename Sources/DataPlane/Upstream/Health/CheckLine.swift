// A connection on which HTTP checks are made one after another, whatever its HTTP version.
import HTTPWire
import Reactor

/// One connection to a host. Main thread only.
protocol CheckLine: AnyObject {
    /// Sends a request when the connection is up; one at a time.
    func send(_ head: HeaderMap, body: [UInt8])
    /// Closes it. The owner hears nothing more.
    func close()
}

/// Who asks on a line.
protocol CheckLineOwner: AnyObject {
    /// The head of the answer; `end` when nothing follows. Interim ones are not told.
    func lineGotHead(_ head: HeaderMap, end: Bool)
    /// A piece of the answer's body; its owner keeps nothing else of it.
    func lineGotBody(_ bytes: ByteView)
    /// The answer is whole. `trailers` is empty when there were none. `isReusable`: the line can carry another request.
    func lineGotAll(_ trailers: HeaderMap, isReusable: Bool)
    /// There will be no answer; the line is closed.
    func lineFailed(_ reason: String)
    /// The peer has ended the line between two requests; it is closed.
    func lineEnded()
}

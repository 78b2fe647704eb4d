// A connection of the main thread's own to one host, apart from the pools, whatever its HTTP version.
import HTTPWire
import Reactor

/// One connection that carries requests one after another. Main thread only.
protocol HostLine: AnyObject {
    /// Sends a whole request when the connection is up; one at a time.
    func send(_ head: HeaderMap, body: [UInt8])
    /// Closes it. The owner hears nothing more.
    func close()
}

/// Who asks on a line.
protocol HostLineOwner: AnyObject {
    /// The connection is up, TLS included.
    func lineConnected()
    /// The head of the answer; `end` when nothing follows. Interim ones are not told.
    func lineGotHead(_ head: HeaderMap, end: Bool)
    /// A piece of the answer's body; its owner keeps nothing else of it.
    func lineGotBody(_ bytes: ByteView)
    /// The answer is whole. `trailers` is empty when there were none. `isReusable`: the line can carry another request.
    func lineGotAll(_ trailers: HeaderMap, isReusable: Bool)
    /// There will be no answer; the line is closed.
    func lineFailed(_ reason: String)
    /// What was sent of an open request is on its way: there is room for more.
    func lineDrained()
    /// The peer has ended the line between two requests; it is closed.
    func lineEnded()
}

extension HostLineOwner {
    func lineConnected() {}
    func lineDrained() {}
}

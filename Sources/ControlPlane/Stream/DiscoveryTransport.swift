// What carries the protocol's messages: gRPC in earnest, a script in tests.

/// Opens streams to a control plane, one at a time. Main thread only.
public protocol DiscoveryTransport: AnyObject {
    /// Begins a stream for a gRPC method. What becomes of it is told to the owner, later.
    func open(_ method: String, owner: any DiscoveryTransportOwner)
    /// Sends a message; only between `transportConnected` and the end.
    func send(_ message: [UInt8])
    /// The server does not read what it is sent; `transportDrained` tells when it does again.
    var isBackedUp: Bool { get }
    /// The server is made to wait, or may go on.
    func pauseReading()
    func resumeReading()
    /// Ends the stream; nothing more is told of it.
    func close()
}

/// Who opened a stream.
public protocol DiscoveryTransportOwner: AnyObject {
    func transportConnected()
    func transportReceived(_ message: [UInt8])
    func transportDrained()
    /// `isOverLimit`: a response was longer than the limit.
    func transportEnded(_ reason: String, isOverLimit: Bool)
}

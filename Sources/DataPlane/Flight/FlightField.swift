// The fields of a flight record, and how they lie in its bytes.

/// What a field says. In a record a field is its number in one byte, its length in two, and its value: UTF-8 text, or a
/// number of eight bytes, all little-endian. A record is read by the process that wrote it, so that numbers may change.
public enum FlightField: UInt8, Sendable {
    // What it was.
    /// A number: 0 is a request, 1 a connection.
    case kind = 1
    /// A number: 1 where it went wrong.
    case isFailure
    /// `x-request-id`.
    case requestID
    case connectionID
    /// Wall time of the begin, nanoseconds since 1970.
    case began
    /// Nanoseconds.
    case duration

    // Who asked for what.
    case listener
    case filterChain
    case client
    /// The peer of the socket, where it is not the client.
    case directPeer
    case localAddress
    case serverName
    case clientTLS
    case clientName
    case `protocol`
    case method
    case authority
    case path

    // Where it went.
    case virtualHost
    case route
    case cluster
    /// Where more than one was made: their number.
    case tries
    /// Begins a try; the fields that begin with `try` behind it are this try's.
    case tryHost
    case tryConnection
    case tryTook
    case tryEnd
    case tryDetail
    case upstreamTLS
    case upstreamName
    case upstreamServerName

    // How it ended.
    case responseCode
    case grpcStatus
    case flags
    case details
    case terminationDetails
    /// What the proxy answered in the place of an upstream.
    case reply
    /// The setting that ended it, with its value.
    case decidedBy
    case transportFailure
    case closeReason

    // How much, and how long after the begin, nanoseconds.
    case bytesReceived
    case bytesSent
    case requestWhole
    case connectionReady
    case responseBegan
    /// Names a time limit that held; `limitValue` follows, nanoseconds, where 0 is none.
    case limitName
    case limitValue
}

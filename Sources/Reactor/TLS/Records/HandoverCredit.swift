// Whether it is worth it to ask a handshake for its keys.

/// A context's experience with its connections: keys cost time in the handshake (TLS 1.3's are told in text, 10 % of a
/// server's part), which connections that go on earn back, and those that end after a request do not. Used on the context's
/// thread.
struct HandoverCredit {
    /// Connections in a row that may end early before most handshakes are left alone.
    private static let most = 256
    /// Without credit one handshake in so many is asked, to see whether connections have become longer.
    private static let probe: UInt32 = 16
    /// Reads after which a connection has earned its keys.
    static let readsToEarn: UInt8 = 8

    private var left = most
    private var handshakes: UInt32 = 0

    /// Whether the next handshake is asked.
    mutating func spend() -> Bool {
        handshakes &+= 1
        return left > 0 || handshakes % HandoverCredit.probe == 0
    }

    /// A connection that was asked has gone on.
    mutating func earned() { left = min(max(left, 0) + 2, HandoverCredit.most) }

    /// A connection that was asked has ended before.
    mutating func wasted() { left = max(left - 1, 0) }
}

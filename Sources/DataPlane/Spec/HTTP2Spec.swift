// HTTP/2 settings of connection managers and clusters.
import Reactor

/// `envoy.config.core.v3.Http2ProtocolOptions`; the defaults are Envoy's.
public struct HTTP2OptionsSpec: Sendable, Equatable {
    /// Bytes.
    public var hpackTableSize: UInt32 = 4096
    public var maxConcurrentStreams: UInt32 = 1024
    /// Bytes that a peer may send before we have passed them on: of a stream, and of all streams of a connection.
    public var initialStreamWindow: Int32 = 16 << 20
    public var initialConnectionWindow: Int32 = 24 << 20
    /// CONNECT with `:protocol` (RFC 8441).
    public var allowConnect = false
    /// A malformed message resets its stream instead of ending the connection.
    public var streamErrorOnInvalidMessage = false
    public var maxOutboundFrames: UInt32 = 10_000
    public var maxOutboundControlFrames: UInt32 = 1_000
    public var maxConsecutiveEmptyFrames: UInt32 = 1
    public var maxPriorityFramesPerStream: UInt32 = 100
    public var maxWindowUpdatesPerDataFrame: UInt32 = 10
    /// Identifier and value of SETTINGS that Outrider does not know.
    public var customSettings: [Setting] = []
    @Rare public var keepalive: HTTP2KeepaliveSpec?

    public struct Setting: Sendable, Equatable {
        public var identifier: UInt16
        public var value: UInt32
        public init(identifier: UInt16, value: UInt32) {
            self.identifier = identifier
            self.value = value
        }
    }

    public init() {}
}

/// `envoy.config.core.v3.KeepaliveSettings`.
public struct HTTP2KeepaliveSpec: Sendable, Equatable {
    /// Between two PINGs; nil: none by time.
    public var interval: TimeAmount?
    /// For the answer.
    public var timeout: TimeAmount
    /// Percent of the interval that is added at random.
    public var jitterPercent = 15.0
    /// A connection that was silent for so long is asked before a stream begins on it; nil: never.
    public var idleInterval: TimeAmount?

    public init(timeout: TimeAmount) { self.timeout = timeout }
}

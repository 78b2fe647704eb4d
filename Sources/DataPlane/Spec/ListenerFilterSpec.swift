// What a listener does before it chooses a filter chain.

/// `envoy.config.listener.v3.ListenerFilter`.
public struct ListenerFilterSpec: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case tlsInspector(TLSInspectorSpec)
        case httpInspector
        case originalDestination
        /// `mark`: SO_MARK of the upstream connections, 0 for none.
        case originalSource(mark: UInt32)
        case proxyProtocol(ProxyProtocolSpec)
    }

    public var kind: Kind
    /// `filter_disabled`: connections for which the filter does nothing.
    public var disabled: ListenerFilterPredicate?

    public init(_ kind: Kind, disabled: ListenerFilterPredicate? = nil) {
        self.kind = kind
        self.disabled = disabled
    }
}

/// `envoy.config.listener.v3.ListenerFilterChainMatchPredicate`.
public indirect enum ListenerFilterPredicate: Sendable, Equatable {
    case any
    case not(ListenerFilterPredicate)
    case all([ListenerFilterPredicate])
    case oneOf([ListenerFilterPredicate])
    case destinationPort(Range<Int32>)
}

extension ListenerFilterSpec {
    /// It waits for the client's first bytes to see what is spoken, and lets everybody in.
    public var detectsProtocol: Bool {
        switch kind {
        case .tlsInspector(let settings): !settings.closesWithoutClientHello
        case .httpInspector: true
        case .originalDestination, .originalSource, .proxyProtocol: false
        }
    }
}

/// `outrider.listener.server_first` and `outrider.listener.server_first_ports`.
public struct ServerFirstSpec: Sendable, Equatable {
    /// Where a TCP proxy without TLS would get a client that says nothing, its host is connected to ahead.
    public var asksServers = true
    /// Destination ports whose clients are not waited for.
    public var ports: Set<UInt16> = []

    /// Something is done at all.
    public var isOn: Bool { asksServers || !ports.isEmpty }

    public init() {}
}

/// `envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector`.
public struct TLSInspectorSpec: Sendable, Equatable {
    /// Bytes that a ClientHello may have, with its record headers.
    public var maxClientHelloSize = TLSInspectorSpec.largestClientHello
    /// `close_connection_on_client_hello_parsing_errors`: who sends something else is not let in.
    public var closesWithoutClientHello = false

    /// No ClientHello may be larger than this, bytes; as in Envoy.
    public static let largestClientHello = 16 << 10

    public init() {}
}

/// `envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol`.
public struct ProxyProtocolSpec: Sendable, Equatable {
    /// What is noted of an extension (TLV): its value as text, as dynamic metadata.
    public struct Rule: Sendable, Equatable {
        public var type: UInt8
        public var namespace: String
        public var key: String

        public init(type: UInt8, namespace: String, key: String) {
            self.type = type
            self.namespace = namespace
            self.key = key
        }
    }

    public var rules: [Rule] = []
    /// `allow_requests_without_proxy_protocol`.
    public var allowsAbsence = false
    public var allowsV1 = true
    public var allowsV2 = true
    public var statPrefix = ""

    public init() {}
}

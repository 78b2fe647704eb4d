// Compiled operators: small values without references, so that a line is formatted without counting any.
import HTTPWire

/// Bytes of a formatter's text.
struct TextRange: Equatable {
    var start: Int32
    var count: Int32
}

/// A header to look up; `other` is an index into the formatter's keys.
enum HeaderReference: Equatable {
    case known(HeaderName)
    case pseudo(HeaderKey.Pseudo)
    case other(Int32)
}

/// `X?Y`: the second header is asked when the first is absent.
struct HeaderChoice: Equatable {
    var main: HeaderReference
    var alternative: HeaderReference?
    /// `REQ_WITHOUT_QUERY`: the value ends at its `?`.
    var withoutQuery = false
}

/// What a placeholder stands for.
enum FormatOperator: Equatable {
    case literal(TextRange)
    /// Known to Envoy, and never set here: filter state.
    case unset
    case requestHeader(HeaderChoice)
    case responseHeader(HeaderChoice)
    case responseTrailer(HeaderChoice)
    case number(NumberOperator)
    case duration(TimePoint, TimePoint, DurationUnit)
    case text(TextOperator)
    /// The index is that of a `DateFormat`.
    case time(TimeSource, Int32)
    case address(AddressSource, AddressForm)
    case certificate(CertificateSource, CertificateField)
    case connectionTLS(CertificateSource, ConnectionTLSField)
    case grpcStatus(GRPCStatusForm)
    case path(PathSource, withQuery: Bool)
    case queryParameter(TextRange)
    case queryParameters(decoded: Bool)
    case serverName(ServerNameSource, ServerNameHost)
    /// Dynamic metadata: the value of a key, or all of a namespace as a JSON object.
    case metadata(namespace: TextRange, key: TextRange?)
    /// Metadata of the configuration, by `namespace:key:key…`.
    case placeMetadata(MetadataPlace, TextRange)

    /// Numbers stay numbers in JSON.
    var isNumeric: Bool {
        switch self {
        case .number, .duration, .grpcStatus(.number): true
        case .address(_, .port): true
        default: false
        }
    }

    /// What it prints is JSON already.
    var isJSON: Bool {
        if case .metadata(_, nil) = self { return true }
        return false
    }
}

/// An operator and the most bytes it may print; negative: all of them.
struct FormatSegment: Equatable {
    var operation: FormatOperator
    var limit: Int32 = -1
}

enum NumberOperator: UInt8 {
    case zero
    case bytesReceived, bytesSent
    case requestHeadersBytes, responseHeadersBytes, responseTrailersBytes
    case upstreamWireSent, upstreamWireReceived, upstreamHeadersSent, upstreamHeadersReceived
    case downstreamWireSent, downstreamWireReceived, downstreamHeadersSent, downstreamHeadersReceived
    case responseCode, attemptCount, connectionID, upstreamConnectionID
    case duration, requestDuration, requestSentDuration, responseDuration, responseSentDuration
    case handshakeDuration, poolReadyDuration
}

enum TextOperator: UInt8 {
    case empty
    case `protocol`, upstreamProtocol
    case responseCodeDetails, connectionTerminationDetails
    case flags, flagsLong
    case routeName, virtualCluster, filterChainName
    case upstreamCluster, upstreamClusterRaw
    case upstreamHostName, upstreamHostNameWithoutPort
    case hostsAttempted, hostsAttemptedWithoutPort, hostNamesAttempted, hostNamesAttemptedWithoutPort
    case connectionIDsAttempted
    case upstreamTransportFailure, downstreamTransportFailure
    case upstreamLocalCloseReason, downstreamLocalCloseReason
    case upstreamCloseType, downstreamCloseType
    case upstreamServerName
    case streamID, uniqueID
    case traceID, spanID
    case localReplyBody, accessLogType
}

enum TimeSource: UInt8 {
    case start, emit
    case downstreamNotBefore, downstreamNotAfter, upstreamNotBefore, upstreamNotAfter
}

enum AddressSource: UInt8 {
    case downstreamLocal, downstreamDirectLocal, downstreamRemote, downstreamDirectRemote
    case upstreamHost, upstreamLocal, upstreamRemote
}

enum AddressForm: Equatable {
    case whole, withoutPort, port
    /// The network of this many bits: `10.1.0.0/16`.
    case network(UInt8)
}

/// Whose certificate.
enum CertificateSource: UInt8 { case downstreamPeer, downstreamLocal, upstreamPeer, upstreamLocal }

enum CertificateField: UInt8 {
    case subject, issuer, serial, fingerprint256, fingerprint1, pem
    case uriNames, dnsNames, ipNames, emailNames, otherNames
    case chainFingerprints256, chainSerials
    case issuerFingerprint256, issuerSerial
}

enum ConnectionTLSField: UInt8 { case version, cipher, sessionID, group }

enum GRPCStatusForm: UInt8 { case camel, snake, number }

enum PathSource: UInt8 { case original, path, originalOrPath }

/// `REQUESTED_SERVER_NAME(X:Y)`: which name comes first, and where a host is taken from.
enum ServerNameSource: UInt8 { case sniOnly, sniFirst, hostFirst }
enum ServerNameHost: UInt8 { case original, originalOrHost, host }

enum DurationUnit: UInt8 { case milliseconds, microseconds, nanoseconds }

/// The points of `COMMON_DURATION`.
enum TimePoint: String {
    case downstreamConnectionBegin = "DS_CX_BEG"
    case downstreamConnectionEnd = "DS_CX_END"
    case downstreamReceiveBegin = "DS_RX_BEG"
    case downstreamReceiveEnd = "DS_RX_END"
    case upstreamConnectBegin = "US_CX_BEG"
    case upstreamConnectEnd = "US_CX_END"
    case upstreamHandshakeEnd = "US_HS_END"
    case upstreamSendBegin = "US_TX_BEG"
    case upstreamSendEnd = "US_TX_END"
    case upstreamReceiveBegin = "US_RX_BEG"
    case upstreamBodyBegin = "US_RX_BODY_BEG"
    case upstreamReceiveEnd = "US_RX_END"
    case downstreamSendBegin = "DS_TX_BEG"
    case downstreamSendEnd = "DS_TX_END"
}

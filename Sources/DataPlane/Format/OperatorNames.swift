// The names of Envoy's operators that take no argument.

/// Looks operators up by name.
enum OperatorNames {
    /// An operator without argument and length; nil for names that take one, or that nobody knows.
    static func plain(_ name: String) -> FormatOperator? {
        if let number = numbers[name] { return .number(number) }
        if let text = texts[name] { return .text(text) }
        if let (source, form) = addresses[name] { return .address(source, form) }
        if let (source, field) = certificates[name] { return .certificate(source, field) }
        if let (source, field) = connections[name] { return .connectionTLS(source, field) }
        return neverSet.contains(name) ? .unset : nil
    }

    /// What Envoy knows and Outrider refuses, so that an error can say so.
    static let unsupported: Set<String> = [
        "CEL", "COALESCE", "DOWNSTREAM_CX_RTT", "ROUTE_RESOLUTION_COUNT", "ROUTE_RESOLUTION_TIME_US",
        "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
        "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    ]

    /// QUIC and TLS inspection: nothing here sets them.
    private static let neverSet: Set<String> = [
        "TLS_JA3_FINGERPRINT", "TLS_JA4_FINGERPRINT", "ROUNDTRIP_DURATION",
    ]

    private static let numbers: [String: NumberOperator] = [
        "BYTES_RECEIVED": .bytesReceived,
        "BYTES_SENT": .bytesSent,
        "BYTES_RETRANSMITTED": .zero,
        "PACKETS_RETRANSMITTED": .zero,
        "REQUEST_HEADERS_BYTES": .requestHeadersBytes,
        "RESPONSE_HEADERS_BYTES": .responseHeadersBytes,
        "RESPONSE_TRAILERS_BYTES": .responseTrailersBytes,
        "UPSTREAM_WIRE_BYTES_SENT": .upstreamWireSent,
        "UPSTREAM_WIRE_BYTES_RECEIVED": .upstreamWireReceived,
        "UPSTREAM_HEADER_BYTES_SENT": .upstreamHeadersSent,
        "UPSTREAM_HEADER_BYTES_RECEIVED": .upstreamHeadersReceived,
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT": .upstreamHeadersSent,
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED": .upstreamHeadersReceived,
        "DOWNSTREAM_WIRE_BYTES_SENT": .downstreamWireSent,
        "DOWNSTREAM_WIRE_BYTES_RECEIVED": .downstreamWireReceived,
        "DOWNSTREAM_HEADER_BYTES_SENT": .downstreamHeadersSent,
        "DOWNSTREAM_HEADER_BYTES_RECEIVED": .downstreamHeadersReceived,
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT": .downstreamHeadersSent,
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED": .downstreamHeadersReceived,
        "RESPONSE_CODE": .responseCode,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT": .attemptCount,
        "CONNECTION_ID": .connectionID,
        "UPSTREAM_CONNECTION_ID": .upstreamConnectionID,
        "DURATION": .duration,
        "REQUEST_DURATION": .requestDuration,
        "REQUEST_TX_DURATION": .requestSentDuration,
        "RESPONSE_DURATION": .responseDuration,
        "RESPONSE_TX_DURATION": .responseSentDuration,
        "DOWNSTREAM_HANDSHAKE_DURATION": .handshakeDuration,
        "UPSTREAM_CONNECTION_POOL_READY_DURATION": .poolReadyDuration,
    ]

    private static let texts: [String: TextOperator] = [
        "PROTOCOL": .protocol,
        "UPSTREAM_PROTOCOL": .upstreamProtocol,
        "CONNECTION_TERMINATION_DETAILS": .connectionTerminationDetails,
        "RESPONSE_FLAGS": .flags,
        "RESPONSE_FLAGS_LONG": .flagsLong,
        "ROUTE_NAME": .routeName,
        "VIRTUAL_CLUSTER_NAME": .virtualCluster,
        "FILTER_CHAIN_NAME": .filterChainName,
        "UPSTREAM_CLUSTER": .upstreamCluster,
        "UPSTREAM_CLUSTER_RAW": .upstreamClusterRaw,
        "UPSTREAM_HOST_NAME": .upstreamHostName,
        "UPSTREAM_HOST_NAME_WITHOUT_PORT": .upstreamHostNameWithoutPort,
        "UPSTREAM_HOSTS_ATTEMPTED": .hostsAttempted,
        "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT": .hostsAttemptedWithoutPort,
        "UPSTREAM_HOST_NAMES_ATTEMPTED": .hostNamesAttempted,
        "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT": .hostNamesAttemptedWithoutPort,
        "UPSTREAM_CONNECTION_IDS_ATTEMPTED": .connectionIDsAttempted,
        "UPSTREAM_TRANSPORT_FAILURE_REASON": .upstreamTransportFailure,
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON": .downstreamTransportFailure,
        "UPSTREAM_LOCAL_CLOSE_REASON": .upstreamLocalCloseReason,
        "DOWNSTREAM_LOCAL_CLOSE_REASON": .downstreamLocalCloseReason,
        "UPSTREAM_DETECTED_CLOSE_TYPE": .upstreamCloseType,
        "DOWNSTREAM_DETECTED_CLOSE_TYPE": .downstreamCloseType,
        "UPSTREAM_SERVER_NAME": .upstreamServerName,
        "STREAM_ID": .streamID,
        "TRACE_ID": .traceID,
        "SPAN_ID": .spanID,
        "UNIQUE_ID": .uniqueID,
        "LOCAL_REPLY_BODY": .localReplyBody,
        "ACCESS_LOG_TYPE": .accessLogType,
        "CUSTOM_FLAGS": .empty,
    ]

    private static let addresses: [String: (AddressSource, AddressForm)] = {
        let names: [(String, AddressSource)] = [
            ("DOWNSTREAM_LOCAL", .downstreamLocal), ("DOWNSTREAM_DIRECT_LOCAL", .downstreamDirectLocal),
            ("DOWNSTREAM_REMOTE", .downstreamRemote), ("DOWNSTREAM_DIRECT_REMOTE", .downstreamDirectRemote),
            ("UPSTREAM_LOCAL", .upstreamLocal), ("UPSTREAM_REMOTE", .upstreamRemote),
        ]
        var table: [String: (AddressSource, AddressForm)] = ["UPSTREAM_HOST": (.upstreamHost, .whole)]
        for (name, source) in names {
            table[name + "_ADDRESS"] = (source, .whole)
            table[name + "_ADDRESS_WITHOUT_PORT"] = (source, .withoutPort)
            table[name + "_PORT"] = (source, .port)
        }
        return table
    }()

    private static let certificates: [String: (CertificateSource, CertificateField)] = {
        let sanNames: [(String, CertificateField)] = [
            ("URI_SAN", .uriNames), ("DNS_SAN", .dnsNames), ("IP_SAN", .ipNames),
        ]
        let downstreamOnly: [(String, CertificateField)] = [
            ("EMAIL_SAN", .emailNames), ("OTHERNAME_SAN", .otherNames), ("SUBJECT", .subject),
        ]
        let peerOnly: [(String, CertificateField)] = [
            ("SERIAL", .serial), ("FINGERPRINT_256", .fingerprint256), ("FINGERPRINT_1", .fingerprint1),
            ("CHAIN_FINGERPRINTS_256", .chainFingerprints256),
            ("CHAIN_SERIALS", .chainSerials), ("ISSUER", .issuer), ("CERT", .pem),
            ("ISSUER_FINGERPRINT_256", .issuerFingerprint256), ("ISSUER_SERIAL", .issuerSerial),
        ]
        var table: [String: (CertificateSource, CertificateField)] = [
            "UPSTREAM_PEER_ISSUER": (.upstreamPeer, .issuer),
            "UPSTREAM_PEER_CERT": (.upstreamPeer, .pem),
            "UPSTREAM_PEER_SUBJECT": (.upstreamPeer, .subject),
        ]
        for (name, field) in sanNames {
            table["DOWNSTREAM_PEER_" + name] = (.downstreamPeer, field)
            table["DOWNSTREAM_LOCAL_" + name] = (.downstreamLocal, field)
            table["UPSTREAM_PEER_" + name] = (.upstreamPeer, field)
            table["UPSTREAM_LOCAL_" + name] = (.upstreamLocal, field)
        }
        for (name, field) in downstreamOnly {
            table["DOWNSTREAM_PEER_" + name] = (.downstreamPeer, field)
            table["DOWNSTREAM_LOCAL_" + name] = (.downstreamLocal, field)
        }
        for (name, field) in peerOnly { table["DOWNSTREAM_PEER_" + name] = (.downstreamPeer, field) }
        return table
    }()

    private static let connections: [String: (CertificateSource, ConnectionTLSField)] = [
        "DOWNSTREAM_TLS_VERSION": (.downstreamPeer, .version),
        "DOWNSTREAM_TLS_CIPHER": (.downstreamPeer, .cipher),
        "DOWNSTREAM_TLS_SESSION_ID": (.downstreamPeer, .sessionID),
        "DOWNSTREAM_TLS_GROUP": (.downstreamPeer, .group),
        "UPSTREAM_TLS_VERSION": (.upstreamPeer, .version),
        "UPSTREAM_TLS_CIPHER": (.upstreamPeer, .cipher),
        "UPSTREAM_TLS_SESSION_ID": (.upstreamPeer, .sessionID),
        "UPSTREAM_TLS_GROUP": (.upstreamPeer, .group),
    ]
}

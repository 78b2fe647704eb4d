// Values of Envoy's enums that Outrider does not act on. Like fields, they are refused by name.

enum UnsupportedValues {
    static let table: [String: Set<String>] = [
        "envoy.config.cluster.v3.Cluster.DiscoveryType": ["EDS"],
        "envoy.config.cluster.v3.Cluster.LbPolicy": ["RING_HASH", "MAGLEV"],
        "envoy.config.core.v3.ApiVersion": ["V2"],
        "envoy.config.core.v3.SocketAddress.Protocol": ["UDP"],
        "envoy.type.v3.CodecClientType": ["HTTP3"],
        "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.TlvLocation": ["FILTER_STATE"],
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.CodecType": [
            "HTTP3"
        ],
        "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"
            + ".FormatterTypeOnEnvoyHeaders": ["PROPER_CASE"],
    ]
}

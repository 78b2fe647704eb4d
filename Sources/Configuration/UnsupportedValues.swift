// Values of Envoy's enums that Outrider does not act on. Like fields, they are refused by name.

enum UnsupportedValues {
    static let table: [String: Set<String>] = [
        "envoy.config.core.v3.ApiConfigSource.ApiType": [
            "DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE", "REST", "AGGREGATED_GRPC", "AGGREGATED_DELTA_GRPC",
        ],
        "envoy.config.core.v3.ApiVersion": ["V2"],
        "envoy.config.core.v3.SocketAddress.Protocol": ["UDP"],
        "envoy.config.trace.v3.ZipkinConfig.CollectorEndpointVersion": ["GRPC"],
        "envoy.type.v3.CodecClientType": ["HTTP3"],
        "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.TlvLocation": ["FILTER_STATE"],
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.CodecType": [
            "HTTP3"
        ],
        "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"
            + ".FormatterTypeOnEnvoyHeaders": ["PROPER_CASE"],
    ]
}

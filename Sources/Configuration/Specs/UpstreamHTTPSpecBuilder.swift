// HTTP settings of a cluster.
import DataPlane
import EnvoyAPI
import Reactor

struct UpstreamHTTPSpecBuilder {
    static let key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

    let context: SpecContext

    /// The options under their key, or else the cluster's deprecated fields in the same form.
    func options(of cluster: API.Cluster, _ path: FieldPath) -> (message: API.UpstreamHTTP?, path: FieldPath) {
        let place = path.field("typed_extension_protocol_options")
        var found: API.UpstreamHTTP?
        for (key, config) in cluster.typedExtensionProtocolOptions {
            if key == Self.key {
                found = config.unpacked(API.UpstreamHTTP.self)
            } else {
                context.bad(place.key(key), "the key of these options is \(quotedForMessage(Self.key))")
            }
        }
        let older = [
            ("upstream_http_protocol_options", cluster.hasUpstreamHTTPProtocolOptions),
            ("common_http_protocol_options", cluster.hasCommonHTTPProtocolOptions),
            ("http_protocol_options", cluster.hasHTTPProtocolOptions),
            ("http2_protocol_options", cluster.hasHTTP2ProtocolOptions),
            ("protocol_selection", cluster.protocolSelection != .useConfiguredProtocol),
        ].filter(\.1).map(\.0)
        if let found {
            for name in older {
                context.bad(path.field(name), "has no effect beside typed_extension_protocol_options; set it there")
            }
            return (found, place.key(Self.key))
        }
        guard !older.isEmpty else { return (nil, path) }
        var options = API.UpstreamHTTP()
        if cluster.hasUpstreamHTTPProtocolOptions {
            options.upstreamHTTPProtocolOptions = cluster.upstreamHTTPProtocolOptions
        }
        if cluster.hasCommonHTTPProtocolOptions {
            options.commonHTTPProtocolOptions = cluster.commonHTTPProtocolOptions
        }
        if cluster.protocolSelection == .useDownstreamProtocol {
            options.useDownstreamProtocolConfig.httpProtocolOptions = cluster.httpProtocolOptions
            options.useDownstreamProtocolConfig.http2ProtocolOptions = cluster.http2ProtocolOptions
        } else if cluster.hasHTTP2ProtocolOptions {
            options.explicitHTTPConfig.http2ProtocolOptions = cluster.http2ProtocolOptions
        } else if cluster.hasHTTPProtocolOptions {
            options.explicitHTTPConfig.httpProtocolOptions = cluster.httpProtocolOptions
        }
        return (options, path)
    }

    func spec(_ options: API.UpstreamHTTP?, _ cluster: API.Cluster, _ path: FieldPath) -> UpstreamHTTPSpec {
        var spec = UpstreamHTTPSpec()
        if cluster.hasMaxRequestsPerConnection {
            spec.maxRequestsPerConnection = Int(cluster.maxRequestsPerConnection.value)
        }
        guard let options else { return spec }
        let common = options.commonHTTPProtocolOptions
        spec.idleTimeout = context.timeout(common.idleTimeout, isSet: common.hasIdleTimeout, default: .seconds(3600))
        spec.maxConnectionDuration = context.timeout(
            common.maxConnectionDuration, isSet: common.hasMaxConnectionDuration)
        spec.maxStreamDuration = context.timeout(common.maxStreamDuration, isSet: common.hasMaxStreamDuration)
        if common.hasMaxRequestsPerConnection {
            spec.maxRequestsPerConnection = Int(common.maxRequestsPerConnection.value)
        }
        if common.hasMaxResponseHeadersKb { spec.maxResponseHeadersKiB = Int(common.maxResponseHeadersKb.value) }
        if common.hasMaxHeadersCount { spec.maxHeaderCount = Int(common.maxHeadersCount.value) }
        if common.headersWithUnderscoresAction != .allow {
            context.report.skip(
                "cluster headers_with_underscores_action", reason: "is about requests from clients; a cluster has none",
                path: path.field("common_http_protocol_options.headers_with_underscores_action"))
        }
        spec.autoSNI = options.upstreamHTTPProtocolOptions.autoSni
        spec.autoSANValidation = options.upstreamHTTPProtocolOptions.autoSanValidation
        protocols(options, cluster, path, into: &spec)
        return spec
    }

    /// What is spoken to the cluster, and the settings of each protocol.
    private func protocols(
        _ options: API.UpstreamHTTP, _ cluster: API.Cluster, _ path: FieldPath, into spec: inout UpstreamHTTPSpec
    ) {
        switch options.upstreamProtocolOptions {
        case .explicitHTTPConfig(let explicit)?:
            let place = path.field("explicit_http_config")
            switch explicit.protocolConfig {
            case .http2ProtocolOptions(let http2)?:
                spec.protocol = .http2
                spec.http2 = context.http2(http2, streamError: false, place.field("http2_protocol_options"))
            case .httpProtocolOptions(let http1)?:
                spec.http1 = context.http1(http1, streamError: false, place.field("http_protocol_options"))
            default: break
            }
        case .useDownstreamProtocolConfig(let same)?:
            let place = path.field("use_downstream_protocol_config")
            spec.protocol = .sameAsDownstream
            spec.http1 = context.http1(
                same.httpProtocolOptions, streamError: false, place.field("http_protocol_options"))
            spec.http2 = context.http2(
                same.http2ProtocolOptions, streamError: false, place.field("http2_protocol_options"))
        case .autoConfig(let auto)?:
            let place = path.field("auto_config")
            spec.protocol = .negotiated
            spec.http1 = context.http1(
                auto.httpProtocolOptions, streamError: false, place.field("http_protocol_options"))
            spec.http2 = context.http2(
                auto.http2ProtocolOptions, streamError: false, place.field("http2_protocol_options"))
            if !cluster.hasTransportSocket {
                context.bad(place, "ALPN chooses the protocol, and the cluster has no TLS transport_socket")
            }
            for (index, match) in cluster.transportSocketMatches.enumerated()
            where !isTLS(match.transportSocket) {
                context.bad(
                    place,
                    "ALPN chooses the protocol, and transport_socket_matches[\(index)] has no TLS transport_socket")
            }
        case nil: break
        }
    }

    private func isTLS(_ socket: API.TransportSocket) -> Bool {
        let proxy = socket.typedConfig.unpacked(API.ProxyProtocolTransport.self)
        return (proxy?.transportSocket ?? socket).typedConfig.unpacked(API.UpstreamTLS.self) != nil
    }
}

// Where a cluster's connections come from, and what they begin with.
import DataPlane
import EnvoyAPI
import Reactor

/// `upstream_bind_config`, of a cluster or of the bootstrap.
struct UpstreamBindSpec {
    var source: SocketAddress?
    var freebind = false
    var options: [RawSocketOption] = []
}

struct UpstreamSocketSpecBuilder {
    let context: SpecContext

    func bind(_ config: API.BindConfig, _ path: FieldPath) -> UpstreamBindSpec {
        var spec = UpstreamBindSpec()
        if config.hasSourceAddress {
            spec.source = context.address(config.sourceAddress, path.field("source_address"))
        }
        spec.freebind = config.freebind.value
        let place = path.field("socket_options")
        spec.options = context.socketOptions(config.socketOptions, place)
        for (index, option) in config.socketOptions.enumerated() where option.state == .stateListening {
            context.report.skip(
                "STATE_LISTENING of a cluster", reason: "a socket that connects never listens", path: place[index])
        }
        return spec
    }

    /// The transport socket that speaks to the endpoints, with its place, and the header that is written before it
    /// begins.
    func unwrapped(
        _ socket: API.TransportSocket, isSet: Bool, _ path: FieldPath
    ) -> (socket: API.TransportSocket, isSet: Bool, path: FieldPath, header: UpstreamProxyProtocolSpec?) {
        guard let proxy = socket.typedConfig.unpacked(API.ProxyProtocolTransport.self) else {
            return (socket, isSet, path, nil)
        }
        let place = path.field("typed_config")
        let inner = place.field("transport_socket")
        if proxy.transportSocket.typedConfig.unpacked(API.ProxyProtocolTransport.self) != nil {
            context.bad(inner, "a connection has one PROXY protocol header")
        }
        let config = place.field("config")
        var header = UpstreamProxyProtocolSpec(version: proxy.config.version == .v2 ? .v2 : .v1)
        header.tlvs = tlvs(proxy.config.addedTlvs, config.field("added_tlvs"))
        if header.version == .v1, !proxy.config.addedTlvs.isEmpty {
            context.inconsistent(config.field("added_tlvs"), "only a header of version V2 has extensions")
        }
        return (proxy.transportSocket, proxy.hasTransportSocket, inner, header)
    }

    /// Type, length and value one after the other, as they stand in the header.
    private func tlvs(_ entries: [API.TLV], _ path: FieldPath) -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, entry) in entries.enumerated() {
            if entry.value.isEmpty { context.missing(path[index].field("value")) }
            // The rules of the field bound the type.
            let length = UInt16(clamping: entry.value.count)
            bytes.append(UInt8(truncatingIfNeeded: entry.type))
            bytes.append(UInt8(truncatingIfNeeded: length >> 8))
            bytes.append(UInt8(truncatingIfNeeded: length))
            bytes += entry.value
        }
        if bytes.count > UpstreamProxyProtocolSpec.maxTLVs {
            context.bad(
                path,
                "takes at most \(UpstreamProxyProtocolSpec.maxTLVs) bytes, with 3 for each entry; has \(bytes.count)")
        }
        return bytes
    }
}

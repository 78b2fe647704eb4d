// What a connection manager does to every response head: server, date, via, request id, proxy-status.
import HTTPWire
import Reactor

/// The response rules of one connection manager, compiled. Follows Envoy's `mutateResponseHeaders`.
final class ResponseHeaderRules {
    private let serverName: FixedBytes
    private let serverHeader: HTTPConnectionManagerSpec.ServerHeader
    private let via: FixedBytes?
    private let alwaysSetRequestID: Bool
    private let proxyStatus: ProxyStatusSpec?

    init(_ spec: HTTPConnectionManagerSpec) {
        serverName = FixedBytes(spec.serverName)
        serverHeader = spec.serverHeader
        via = spec.via.isEmpty ? nil : FixedBytes(spec.via)
        alwaysSetRequestID = spec.alwaysSetRequestIDInResponse
        proxyStatus = spec.proxyStatus
    }

    /// Applies the rules to a final response head. `isUpgrade`: a 101 that answers an upgrade.
    func apply(
        _ headers: HeaderMap, request: HeaderMap, info: StreamInfo, isUpgrade: Bool, date: ByteView,
        _ scratch: inout ByteArena
    ) {
        if !headers.contains(.date) { headers.append(.date, date) }
        switch serverHeader {
        case .overwrite: headers.set(.server, serverName.view)
        case .appendIfAbsent: if !headers.contains(.server) { headers.append(.server, serverName.view) }
        case .passThrough: break
        }
        headers.removeHopByHop(keepUpgrade: isUpgrade)
        if alwaysSetRequestID || request.contains(.xEnvoyForceTrace), let id = request.value(.xRequestID) {
            headers.set(.xRequestID, id)
        }
        if let via { ListHeader.append(headers, HeaderKey(.via), ByteView(", "), via.view, &scratch) }
        if let proxyStatus { ProxyStatus.apply(proxyStatus, headers, info, &scratch) }
    }
}

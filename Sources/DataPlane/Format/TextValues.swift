// Operators that are text: names, flags, details, addresses, paths.
import HTTPWire
import Reactor

extension FormatContext {
    /// False, and nothing appended, when the operator is unset.
    func append(_ text: TextOperator, to sink: inout ByteArena) -> Bool {
        switch text {
        case .empty: return true
        case .protocol: return append(info.httpVersion, to: &sink)
        case .upstreamProtocol: return append(info.upstream.httpVersion, to: &sink)
        case .responseCodeDetails: return append(info.responseCodeDetails, to: &sink)
        case .connectionTerminationDetails: return append(info.connectionTerminationDetails, to: &sink)
        case .flags:
            info.flags.append(to: &sink, long: false)
            return true
        case .flagsLong:
            info.flags.append(to: &sink, long: true)
            return true
        case .routeName: return append(info.routeName, to: &sink)
        case .virtualCluster: return append(info.virtualCluster, to: &sink)
        case .filterChainName: return append(info.downstream?.filterChainName ?? "", to: &sink)
        case .upstreamCluster:
            let alias = info.upstream.clusterAlias
            return append(alias.isEmpty ? info.upstream.clusterName : alias, to: &sink)
        case .upstreamClusterRaw: return append(info.upstream.clusterName, to: &sink)
        case .upstreamHostName: return append(hostName: info.upstream.host, to: &sink)
        case .upstreamHostNameWithoutPort: return append(hostName: info.upstream.host, withoutPort: true, to: &sink)
        case .hostsAttempted, .hostsAttemptedWithoutPort, .hostNamesAttempted, .hostNamesAttemptedWithoutPort,
            .connectionIDsAttempted:
            return appendTries(text, to: &sink)
        case .upstreamTransportFailure: return append(underscored: info.upstream.transportFailureReason, to: &sink)
        case .downstreamTransportFailure:
            return append(underscored: info.downstream?.transportFailureReason ?? "", to: &sink)
        case .upstreamLocalCloseReason: return append(underscored: info.upstream.localCloseReason, to: &sink)
        case .downstreamLocalCloseReason: return append(underscored: info.downstream?.localCloseReason ?? "", to: &sink)
        case .upstreamCloseType:
            guard info.upstream.host != nil else { return false }
            return append(info.upstream.detectedCloseType, to: &sink)
        case .downstreamCloseType: return append(info.downstream?.detectedCloseType ?? .normal, to: &sink)
        case .upstreamServerName: return append(info.upstream.serverName, to: &sink)
        case .streamID:
            guard let value = request?.value(.xRequestID) else { return append(info.streamID, to: &sink) }
            sink.append(value)
            return true
        case .uniqueID:
            var generator = SystemRandomNumberGenerator()
            sink.append(uuid: generator.next(), generator.next())
            return true
        case .traceID: return info.trace?.appendTraceID(to: &sink) ?? false
        case .spanID: return info.trace?.appendSpanID(to: &sink) ?? false
        case .localReplyBody:
            sink.append(localReplyBody)
            return true
        case .accessLogType:
            sink.append(literal: logType.text)
            return true
        }
    }

    private func append(_ text: String, to sink: inout ByteArena) -> Bool {
        if text.isEmpty { return false }
        sink.append(text: text)
        return true
    }

    /// Spaces become `_`, so that a reason is one word of a line.
    private func append(underscored text: String, to sink: inout ByteArena) -> Bool {
        if text.isEmpty { return false }
        for byte in text.utf8 { sink.append(byte: byte == 0x20 ? UInt8(ascii: "_") : byte) }
        return true
    }

    private func append(_ version: HTTPVersion?, to sink: inout ByteArena) -> Bool {
        guard let version else { return false }
        sink.append(literal: version.text)
        return true
    }

    private func append(_ type: DetectedCloseType, to sink: inout ByteArena) -> Bool {
        switch type {
        case .normal: sink.append(literal: "Normal")
        case .localReset: sink.append(literal: "LocalReset")
        case .remoteReset: sink.append(literal: "RemoteReset")
        }
        return true
    }

    private func append(hostName host: Host?, withoutPort: Bool = false, to sink: inout ByteArena) -> Bool {
        guard let host else { return false }
        if host.hostname.isEmpty {
            if withoutPort { sink.append(withoutPort: host.address) } else { sink.append(host.address) }
            return true
        }
        let start = sink.count
        sink.append(text: host.hostname)
        if withoutPort {
            let name = sink.view(start, sink.count - start)
            sink.truncate(to: start + AuthorityRules.withoutPort(name).count)
        }
        return true
    }

    private func appendTries(_ text: TextOperator, to sink: inout ByteArena) -> Bool {
        var isSet = false
        for one in info.upstream.earlierTries where one.wasRetried {
            guard let host = one.host else { continue }
            append(text, host, one.connectionID, first: !isSet, to: &sink)
            isSet = true
        }
        if let host = info.upstream.host, info.upstream.connectionID != 0 {
            append(text, host, info.upstream.connectionID, first: !isSet, to: &sink)
            isSet = true
        }
        return isSet
    }

    private func append(
        _ text: TextOperator, _ host: Host, _ connectionID: UInt64, first: Bool, to sink: inout ByteArena
    ) {
        if !first { sink.append(byte: UInt8(ascii: ",")) }
        switch text {
        case .hostsAttempted: sink.append(host.address)
        case .hostsAttemptedWithoutPort: sink.append(withoutPort: host.address)
        case .hostNamesAttempted: _ = append(hostName: host, to: &sink)
        case .hostNamesAttemptedWithoutPort: _ = append(hostName: host, withoutPort: true, to: &sink)
        default: sink.append(decimal: connectionID)
        }
    }

    // MARK: Addresses

    func append(_ source: AddressSource, _ form: AddressForm, to sink: inout ByteArena) -> Bool {
        guard let address = address(source) else { return false }
        switch form {
        case .whole: sink.append(address)
        case .withoutPort: sink.append(withoutPort: address)
        case .port: sink.append(decimal: UInt64(address.port))
        case .network(let bits):
            guard let ip = address.ip else { return false }
            let range = CIDRRange(ip, length: Int(bits))
            sink.append(range.prefix)
            sink.append(byte: UInt8(ascii: "/"))
            sink.append(decimal: UInt64(clamping: range.length))
        }
        return true
    }

    // MARK: Paths and names

    func appendPath(_ source: PathSource, withQuery: Bool, to sink: inout ByteArena) -> Bool {
        var path: ByteView?
        if source != .path { path = request?.value(.xEnvoyOriginalPath) }
        if path == nil && source != .original { path = request?.value(.path) }
        guard let path else { return false }
        if !withQuery, let mark = path.firstIndex(of: UInt8(ascii: "?")) {
            sink.append(path.prefix(mark))
        } else {
            sink.append(path)
        }
        return true
    }

    var query: QueryText? { request.flatMap { QueryText(path: $0.path) } }

    func appendServerName(_ source: ServerNameSource, _ host: ServerNameHost, to sink: inout ByteArena) -> Bool {
        if source == .hostFirst && appendHost(host, to: &sink) { return true }
        if let name = info.downstream?.requestedServerName, !name.isEmpty {
            sink.append(sanitized: name)
            return true
        }
        return source == .sniFirst && appendHost(host, to: &sink)
    }

    private func appendHost(_ host: ServerNameHost, to sink: inout ByteArena) -> Bool {
        var value: ByteView?
        if host != .host { value = request?.value(.xEnvoyOriginalHost) }
        if value == nil && host != .original { value = request?.value(.authority) }
        guard let value, !value.isEmpty else { return false }
        sink.append(value)
        return true
    }
}

extension ResponseFlags {
    /// `UF,URX`, or `-`.
    func append(to sink: inout ByteArena, long: Bool) {
        if isEmpty { return sink.append(byte: UInt8(ascii: "-")) }
        var first = true
        for (flag, short, name) in ResponseFlags.names where contains(flag) {
            if !first { sink.append(byte: UInt8(ascii: ",")) }
            sink.append(text: long ? name : short)
            first = false
        }
    }
}

extension ByteArena {
    mutating func append(withoutPort address: SocketAddress) {
        if let ip = address.ip { append(ip) } else { append(address) }
    }

    /// A name that a client sent: what no host name may hold becomes `_`, and is marked (as Envoy does).
    fileprivate mutating func append(sanitized name: String) {
        func isHostByte(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == 0x2e || byte == 0x2d
        }
        if name.utf8.allSatisfy(isHostByte) { return append(text: name) }
        append(literal: "INVALID:")
        for byte in name.utf8 { append(byte: isHostByte(byte) ? byte : UInt8(ascii: "_")) }
    }

    /// A random UUID (RFC 9562, version 4) of 16 random bytes.
    mutating func append(uuid high: UInt64, _ low: UInt64) {
        let high = high & 0xffff_ffff_ffff_0fff | 0x4000
        let low = low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
        append(hex: high >> 32, digits: 8)
        append(byte: UInt8(ascii: "-"))
        append(hex: high >> 16, digits: 4)
        append(byte: UInt8(ascii: "-"))
        append(hex: high, digits: 4)
        append(byte: UInt8(ascii: "-"))
        append(hex: low >> 48, digits: 4)
        append(byte: UInt8(ascii: "-"))
        append(hex: low, digits: 12)
    }
}

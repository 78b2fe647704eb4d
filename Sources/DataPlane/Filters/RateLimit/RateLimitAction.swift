// The entries that a rate limit's actions make of a request.
import HTTPWire
import Reactor

/// A compiled `envoy.config.route.v3.RateLimit.Action`.
enum RateLimitAction {
    case sourceCluster
    case destinationCluster
    case requestHeader(HeaderKey?, key: FixedBytes, skipsAbsent: Bool)
    case queryParameter(FixedBytes, key: FixedBytes, skipsAbsent: Bool)
    case remoteAddress
    case maskedRemoteAddress(v4: Int, v6: Int)
    case genericKey(FixedBytes, value: FixedBytes)
    case headerMatch([HeaderMatcher], expects: Bool, key: FixedBytes, value: FixedBytes)
    case queryMatch([QueryMatcher], expects: Bool, key: FixedBytes, value: FixedBytes)

    init(_ spec: RateLimitActionSpec) {
        switch spec {
        case .sourceCluster: self = .sourceCluster
        case .destinationCluster: self = .destinationCluster
        case .requestHeader(let name, let key, let skipsAbsent):
            // A name that no message can hold is a header that is never there.
            self = .requestHeader(HeaderKey(name), key: FixedBytes(key), skipsAbsent: skipsAbsent)
        case .queryParameter(let name, let key, let skipsAbsent):
            self = .queryParameter(FixedBytes(name), key: FixedBytes(key), skipsAbsent: skipsAbsent)
        case .remoteAddress: self = .remoteAddress
        case .maskedRemoteAddress(let v4, let v6): self = .maskedRemoteAddress(v4: v4, v6: v6)
        case .genericKey(let key, let value): self = .genericKey(FixedBytes(key), value: FixedBytes(value))
        case .headerMatch(let matchers, let expects, let key, let value):
            self = .headerMatch(
                matchers.map(HeaderMatcher.init), expects: expects, key: FixedBytes(key), value: FixedBytes(value))
        case .queryMatch(let matchers, let expects, let key, let value):
            self = .queryMatch(
                matchers.map(QueryMatcher.init), expects: expects, key: FixedBytes(key), value: FixedBytes(value))
        }
    }

    /// Adds its entry, or skips it; false: the request has no descriptor.
    func describe(_ stream: HTTPStream, _ serviceCluster: String, into descriptor: RequestDescriptor) -> Bool {
        switch self {
        case .sourceCluster:
            descriptor.append(key: ByteView("source_cluster")) { $0.append(text: serviceCluster) }
        case .destinationCluster:
            descriptor.append(key: ByteView("destination_cluster")) {
                $0.append(text: stream.info.upstream.clusterName)
            }
        case .requestHeader(let name, let key, let skipsAbsent):
            guard let name, let value = stream.requestHeaders.value(name) else { return skipsAbsent }
            descriptor.append(key: key.view, value: value)
        case .queryParameter(let name, let key, let skipsAbsent):
            descriptor.scratch.removeAll()
            let query = QueryText(path: stream.requestHeaders.path)
            guard query?.appendDecodedValue(of: name.view, to: &descriptor.scratch) == true else {
                return skipsAbsent
            }
            descriptor.append(key: key.view, value: descriptor.scratch.view)
        case .remoteAddress:
            guard let ip = RateLimitAction.client(stream) else { return false }
            descriptor.append(key: ByteView("remote_address")) { $0.append(ip) }
        case .maskedRemoteAddress(let v4, let v6):
            guard let ip = RateLimitAction.client(stream) else { return false }
            let isV4 = if case .v4 = ip { true } else { false }
            let range = CIDRRange(ip, length: isV4 ? v4 : v6)
            descriptor.append(key: ByteView("masked_remote_address")) {
                $0.append(range.prefix)
                $0.append(byte: UInt8(ascii: "/"))
                $0.append(decimal: UInt64(range.length))
            }
        case .genericKey(let key, let value): descriptor.append(key: key.view, value: value.view)
        case .headerMatch(let matchers, let expects, let key, let value):
            guard matchers.allMatch(stream.requestHeaders) == expects else { return false }
            descriptor.append(key: key.view, value: value.view)
        case .queryMatch(let matchers, let expects, let key, let value):
            let query = QueryText(path: stream.requestHeaders.path)
            let found = matchers.allSatisfy { $0.matchesDecoded(query, &descriptor.scratch) }
            guard found == expects else { return false }
            descriptor.append(key: key.view, value: value.view)
        }
        return true
    }

    /// As headers are trusted to tell it; nil: it came by a Unix socket.
    private static func client(_ stream: HTTPStream) -> IPAddress? {
        (stream.info.client ?? stream.info.downstream?.remoteAddress)?.ip
    }
}

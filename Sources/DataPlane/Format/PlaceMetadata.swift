// `%METADATA(ROUTE:ns:key)%` and its like: values of metadata in lines, as text or as JSON.
import HTTPWire
import Reactor

/// Whose metadata an operator asks for.
public enum MetadataPlace: UInt8, Sendable, Hashable {
    case listener, filterChain, virtualHost, route, cluster, host
}

/// A namespace that a format reads of somebody's metadata.
public struct MetadataReference: Sendable, Hashable {
    public var place: MetadataPlace
    public var namespace: String

    public init(_ place: MetadataPlace, _ namespace: String) {
        self.place = place
        self.namespace = namespace
    }
}

extension FormatContext {
    /// The value at a path, `namespace:key:key…`, as text or as JSON. False, and nothing appended, where there is none, and
    /// where it is null.
    func append(_ place: MetadataPlace, _ path: ByteView, to sink: inout ByteArena) -> Bool {
        guard let value = value(place, path) else { return false }
        if case .text(let range) = value.kind {
            value.withBytes(range) { _ = sink.append($0) }
        } else {
            value.appendJSON(to: &sink)
        }
        return true
    }

    /// The same, always as JSON. As in Envoy, texts have at most `limit` bytes and others are whole; negative: all are.
    func appendJSON(_ place: MetadataPlace, _ path: ByteView, limit: Int32, to sink: inout ByteArena) -> Bool {
        guard let value = value(place, path) else { return false }
        if case .text(let range) = value.kind, limit >= 0 {
            value.withBytes(range) { sink.append(jsonString: $0.prefix(Int(limit))) }
        } else {
            value.appendJSON(to: &sink)
        }
        return true
    }

    private func value(_ place: MetadataPlace, _ path: ByteView) -> MetadataValue? {
        let metadata: Metadata? =
            switch place {
            case .listener: info.downstream?.chain?.listenerMetadata
            case .filterChain: info.downstream?.chain?.metadata
            case .virtualHost: info.routeMetadata?.virtualHost
            case .route: info.routeMetadata?.route
            case .cluster: info.upstream.clusterMetadata
            case .host: info.upstream.host?.metadata
            }
        guard let value = metadata?.value(at: path) else { return nil }
        if case .null = value.kind { return nil }
        return value
    }
}

extension Metadata {
    fileprivate func value(at path: ByteView) -> MetadataValue? {
        var rest = path
        var value: MetadataValue?
        var isFirst = true
        while true {
            let end = rest.firstIndex(of: UInt8(ascii: ":")) ?? rest.count
            let key = rest.prefix(end)
            value = isFirst ? values(in: key) : value?.entry(key)
            isFirst = false
            if value == nil || end == rest.count { return value }
            rest = rest.dropFirst(end + 1)
        }
    }
}

extension MetadataValue {
    /// Objects have their members in the order of their keys, as in Envoy. What is in them was read with a limit on its
    /// depth.
    fileprivate func appendJSON(to sink: inout ByteArena) {
        switch kind {
        case .null: sink.append(literal: "null")
        case .number(let number): sink.append(text: jsonText(of: number))
        case .bool(let flag): sink.append(literal: flag ? "true" : "false")
        case .text(let range): withBytes(range) { sink.append(jsonString: $0) }
        case .object:
            sink.append(byte: UInt8(ascii: "{"))
            var isFirst = true
            forEachMember { key, value in
                if !isFirst { sink.append(byte: UInt8(ascii: ",")) }
                isFirst = false
                withBytes(key) { sink.append(jsonString: $0) }
                sink.append(byte: UInt8(ascii: ":"))
                value.appendJSON(to: &sink)
                return true
            }
            sink.append(byte: UInt8(ascii: "}"))
        case .list:
            sink.append(byte: UInt8(ascii: "["))
            var isFirst = true
            forEachElement { value in
                if !isFirst { sink.append(byte: UInt8(ascii: ",")) }
                isFirst = false
                value.appendJSON(to: &sink)
            }
            sink.append(byte: UInt8(ascii: "]"))
        }
    }
}

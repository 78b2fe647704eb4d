// Header maps to what nghttp2 compresses.
import CNGHTTP2
import Reactor

/// Lays the fields of a map out for nghttp2, which copies them and writes names in lower case. What belongs to a hop of
/// HTTP/1 is left out (RFC 9113, section 8.2.2).
enum HTTP2HeadWriter {
    enum Kind {
        case request
        case response
        case interim
        case trailers
    }

    /// Calls `body` with the fields; they are valid for the call.
    static func withFields<Result>(
        _ headers: HeaderMap, _ kind: Kind, _ body: (UnsafePointer<nghttp2_nv>, Int) -> Result
    ) -> Result? {
        withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: headers.table.entries.count + 6) { fields in
            var writer = Writer(fields: fields)
            switch kind {
            case .request: return request(headers, &writer, body)
            case .response, .interim:
                // 101 has no place in HTTP/2: the tunnel is open with a 200 (RFC 8441, section 5).
                writer.hasNoContent = headers.status < 200 || headers.status == 204
                return withDecimal(UInt64(clamping: headers.status == 101 ? 200 : headers.status)) { status in
                    writer.add(":status", status)
                    return finish(headers, &writer, body)
                }
            case .trailers: return finish(headers, &writer, body)
            }
        }
    }

    private static func request<Result>(
        _ headers: HeaderMap, _ writer: inout Writer, _ body: (UnsafePointer<nghttp2_nv>, Int) -> Result
    ) -> Result? {
        let upgrade = headers.table.first(.upgrade)
        let isExtended = upgrade >= 0
        writer.add(":method", isExtended ? ByteView("CONNECT") : headers.method)
        if headers.methodKind != .connect || isExtended {
            writer.add(":scheme", headers.scheme.isEmpty ? ByteView("http") : headers.scheme)
            writer.add(":path", headers.path.isEmpty ? ByteView("/") : headers.path)
        }
        if headers.hasAuthority { writer.add(":authority", headers.authority) }
        if isExtended { writer.add(":protocol", headers.table.value(headers.table.entries[upgrade])) }
        return finish(headers, &writer, body)
    }

    private static func finish<Result>(
        _ headers: HeaderMap, _ writer: inout Writer, _ body: (UnsafePointer<nghttp2_nv>, Int) -> Result
    ) -> Result? {
        var index = 0
        while index < headers.table.entries.count {
            let entry = headers.table.entries[index]
            index &+= 1
            guard entry.isLive, !isForOneHop(entry.known) else { continue }
            if writer.hasNoContent && entry.known == HeaderName.contentLength.rawValue { continue }
            writer.add(headers.table.name(entry), headers.table.value(entry), flags(entry.known))
        }
        guard let base = writer.fields.baseAddress else { return nil }
        return body(UnsafePointer(base), writer.count)
    }

    /// A value that is another each time only drives what repeats out of the peer's table, and ours.
    private static func flags(_ known: UInt8) -> nghttp2_nv_flag {
        switch HeaderName(rawValue: known) {
        case .xRequestID, .xEnvoyUpstreamServiceTime: NGHTTP2_NV_FLAG_NO_INDEX
        default: NGHTTP2_NV_FLAG_NONE
        }
    }

    private static func isForOneHop(_ known: UInt8) -> Bool {
        switch HeaderName(rawValue: known) {
        case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .host, .http2Settings: true
        default: false
        }
    }

    private struct Writer {
        let fields: UnsafeMutableBufferPointer<nghttp2_nv>
        var count = 0
        /// The status says that there is no content, and so no length (RFC 9110, section 8.6).
        var hasNoContent = false

        mutating func add(_ name: StaticString, _ value: ByteView) { add(ByteView(name), value) }

        /// The pointers are only read by nghttp2, and only during the call.
        mutating func add(
            _ name: ByteView, _ value: ByteView, _ flags: nghttp2_nv_flag = NGHTTP2_NV_FLAG_NONE
        ) {
            guard count < fields.count else { return }
            fields[count] = nghttp2_nv(
                name: pointer(name), value: pointer(value), namelen: name.count, valuelen: value.count,
                flags: UInt8(truncatingIfNeeded: flags.rawValue))
            count &+= 1
        }

        private func pointer(_ view: ByteView) -> UnsafeMutablePointer<UInt8>? {
            view.unsafeBytes.baseAddress.map {
                UnsafeMutablePointer(mutating: $0.assumingMemoryBound(to: UInt8.self))
            }
        }
    }
}

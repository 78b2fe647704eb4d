// Header maps to what nghttp2 compresses.
import CNGHTTP2
import Reactor

/// Lays the fields of a map out for nghttp2. What belongs to a hop of HTTP/1 is left out (RFC 9113, section 8.2.2).
///
/// nghttp2 copies values, and names after it has written them in lower case; but well-known names are literals in lower
/// case, and it is told so.
enum HTTP2HeadWriter {
    enum Kind {
        case request
        case response
        case interim
        case trailers
    }

    /// Calls `body` with the fields; they are valid for the call. `indexesAll`: values that are another each time go into
    /// the table of the header compression, too.
    static func withFields<Result>(
        _ headers: HeaderMap, _ kind: Kind, indexesAll: Bool = false,
        _ body: (UnsafePointer<nghttp2_nv>, Int) -> Result
    ) -> Result? {
        withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: headers.table.entries.count + 6) { fields in
            guard let base = fields.baseAddress else { return nil }
            var writer = Writer(fields: fields, indexesAll: indexesAll)
            switch kind {
            case .request: writer.addTarget(headers)
            case .response, .interim:
                // 101 has no place in HTTP/2: the tunnel is open with a 200 (RFC 8441, section 5).
                let status = headers.status == 101 ? 200 : headers.status
                writer.hasNoContent = headers.status < 200 || status == 204
                return withDecimal(UInt64(clamping: status)) { text in
                    writer.add(":status", text)
                    writer.addFields(headers.table)
                    return body(UnsafePointer(base), writer.count)
                }
            case .trailers: break
            }
            writer.addFields(headers.table)
            return body(UnsafePointer(base), writer.count)
        }
    }

    private struct Writer {
        let fields: UnsafeMutableBufferPointer<nghttp2_nv>
        let indexesAll: Bool
        var count = 0
        /// The status says that there is no content, and so no length (RFC 9110, section 8.6).
        var hasNoContent = false

        mutating func addTarget(_ headers: HeaderMap) {
            let upgrade = headers.table.first(.upgrade)
            let isExtended = upgrade >= 0
            add(":method", isExtended ? ByteView("CONNECT") : headers.method)
            if headers.methodKind != .connect || isExtended {
                add(":scheme", headers.scheme.isEmpty ? ByteView("http") : headers.scheme)
                add(":path", headers.path.isEmpty ? ByteView("/") : headers.path)
            }
            if headers.hasAuthority { add(":authority", headers.authority) }
            if isExtended { add(":protocol", headers.table.value(headers.table.entries[upgrade])) }
        }

        mutating func addFields(_ table: borrowing HeaderTable) {
            var index = 0
            while index < table.entries.count {
                let entry = table.entries[index]
                index &+= 1
                guard entry.isLive else { continue }
                guard let name = HeaderName(rawValue: entry.known) else {
                    add(table.name(entry), table.value(entry), NGHTTP2_NV_FLAG_NONE)
                    continue
                }
                if name.isForOneHop || hasNoContent && name == .contentLength { continue }
                let isIndexed = indexesAll || !name.isAnotherEachTime
                add(
                    name.bytes, table.value(entry),
                    isIndexed ? Writer.literal : nghttp2_nv_flag(Writer.literal.rawValue | Writer.neverIndexed))
            }
        }

        /// The name is there for ever, and in lower case.
        private static var literal: nghttp2_nv_flag { NGHTTP2_NV_FLAG_NO_COPY_NAME }
        private static var neverIndexed: UInt32 { NGHTTP2_NV_FLAG_NO_INDEX.rawValue }

        mutating func add(_ name: StaticString, _ value: ByteView) { add(ByteView(name), value, Writer.literal) }

        /// The pointers are only read by nghttp2, and but for the names that it need not copy only during the call.
        private mutating func add(_ name: ByteView, _ value: ByteView, _ flags: nghttp2_nv_flag) {
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

extension HeaderName {
    /// Means something between two neighbours only, and only in HTTP/1; or has another form in HTTP/2.
    fileprivate var isForOneHop: Bool {
        switch self {
        case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .host, .http2Settings: true
        default: false
        }
    }

    /// In the table of the header compression such a value only drives out what repeats, in the peer's and in ours.
    fileprivate var isAnotherEachTime: Bool {
        switch self {
        case .xRequestID, .xEnvoyUpstreamServiceTime, .traceparent, .b3, .xB3TraceID, .xB3SpanID, .xB3ParentSpanID,
            .xClientTraceID, .grpcTimeout:
            true
        default: false
        }
    }
}

// What a proxy has to know of gRPC over HTTP: which requests are gRPC, status codes, messages and timeouts.
import HTTPWire
import Reactor

/// gRPC's conventions on top of HTTP headers. gRPC page: "gRPC over HTTP2".
enum GRPCRules {
    /// The status codes that a proxy makes or looks at.
    enum Status: Int {
        case ok = 0
        case cancelled = 1
        case unknown = 2
        case deadlineExceeded = 4
        case permissionDenied = 7
        case resourceExhausted = 8
        case unimplemented = 12
        case `internal` = 13
        case unavailable = 14
        case unauthenticated = 16

        /// The status that stands for an HTTP status. gRPC page: "HTTP to gRPC Status Code Mapping".
        init(http status: Int) {
            switch status {
            case 400: self = .internal
            case 401: self = .unauthenticated
            case 403: self = .permissionDenied
            case 404: self = .unimplemented
            case 429, 502, 503, 504: self = .unavailable
            default: self = .unknown
            }
        }
    }

    /// `content-type: application/grpc`, alone or with a `+` suffix.
    static func isRequest(_ headers: HeaderMap) -> Bool {
        guard let type = headers.value(.contentType), type.hasPrefix("application/grpc") else { return false }
        return type.count == 16 || type[16] == 0x2b
    }

    /// `grpc-status` in a head or in trailers; nil when there is none or it is no number.
    static func status(_ headers: HeaderMap) -> Int? {
        guard let value = headers.value(.grpcStatus)?.decimal, value <= 1 << 31 else { return nil }
        return Int(value)
    }

    /// The HTTP status that a gRPC status counts as in stats and outlier detection.
    static func httpStatus(_ status: Int) -> Int {
        switch status {
        case 0: 200
        case 1: 499
        case 3, 9, 11: 400
        case 4: 504
        case 5: 404
        case 6, 10: 409
        case 7: 403
        case 8: 429
        case 12: 501
        case 14: 503
        case 16: 401
        default: 500
        }
    }

    /// `grpc-message` percent-encodes what is no printable ASCII, and `%`.
    static func encodeMessage(_ text: ByteView, into arena: inout ByteArena) {
        let hex = Array("0123456789ABCDEF".utf8)
        for index in 0..<text.count {
            let byte = text[index]
            if byte >= 0x20 && byte <= 0x7e && byte != 0x25 {
                arena.append(byte: byte)
            } else {
                arena.append(byte: 0x25)
                arena.append(byte: hex[Int(byte >> 4)])
                arena.append(byte: hex[Int(byte & 0xf)])
            }
        }
    }

    /// `grpc-timeout`: at most 8 digits and a unit of `H M S m u n`. nil when it is missing or malformed.
    static func timeout(_ headers: HeaderMap) -> TimeAmount? {
        guard let value = headers.value(.grpcTimeout), value.count >= 2, value.count <= 9,
            let number = value.dropLast().decimal, let unit = value.last
        else { return nil }
        let amount = Int64(number)
        switch unit {
        case UInt8(ascii: "H"): return .hours(amount)
        case UInt8(ascii: "M"): return .minutes(amount)
        case UInt8(ascii: "S"): return .seconds(amount)
        case UInt8(ascii: "m"): return .milliseconds(amount)
        // Rounded up, so that a short timeout does not become none.
        case UInt8(ascii: "u"): return .milliseconds((amount + 999) / 1000)
        case UInt8(ascii: "n"): return .milliseconds((amount + 999_999) / 1_000_000)
        default: return nil
        }
    }

    /// Sets `grpc-timeout` in the finest unit that has room for it.
    static func setTimeout(_ timeout: TimeAmount, _ headers: HeaderMap, _ scratch: inout ByteArena) {
        var number = max(0, timeout.milliseconds)
        var unit = UInt8(ascii: "m")
        for (next, divisor) in [(UInt8(ascii: "S"), Int64(1000)), (UInt8(ascii: "M"), 60), (UInt8(ascii: "H"), 60)]
        where number > 99_999_999 {
            number /= divisor
            unit = next
        }
        scratch.removeAll()
        scratch.append(String(min(number, 99_999_999)))
        scratch.append(byte: unit)
        headers.set(.grpcTimeout, scratch.view)
    }
}

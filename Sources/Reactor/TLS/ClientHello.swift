// A look at the first bytes of a connection: is this TLS, for which name, with which protocols.

/// What a ClientHello says before anything is decrypted (RFC 8446 section 4.1.2, RFC 6066, RFC 7301).
public struct ClientHello: Equatable, Sendable {
    /// SNI host name, lower case; empty when there is none.
    public var serverName = ""
    /// ALPN, in the client's order.
    public var applicationProtocols: [String] = []

    /// What the bytes so far tell.
    public enum Look: Equatable, Sendable {
        case needMore
        /// Not a TLS handshake, or one that breaks the format.
        case notTLS
        case hello(ClientHello)
    }

    /// The largest ClientHello that is looked at, bytes; a larger one counts as not TLS.
    public static let maxLength = 16 * 1024

    /// Reads a ClientHello that may be split over several records. `bytes` are the first bytes of the connection and
    /// are not consumed; call again with more after `.needMore`.
    public static func look(at bytes: ByteView) -> Look {
        var handshake = Cursor()
        var records = 0
        // Collect the handshake bytes of the leading records; 5 bytes of header each.
        while handshake.bytes.count < 4 || handshake.bytes.count < handshake.helloLength {
            let header = bytes.dropFirst(records)
            if header.count > 0, header[0] != 0x16 { return .notTLS }
            if header.count > 1, header[1] != 3 { return .notTLS }
            guard header.count >= 5 else { return .needMore }
            let length = Int(header[3]) << 8 | Int(header[4])
            guard length > 0, length <= 16384 + 256 else { return .notTLS }
            let body = header.dropFirst(5)
            handshake.append(body.prefix(length))
            if handshake.bytes.count >= 4 {
                guard handshake.bytes[0] == 1, handshake.helloLength <= maxLength else { return .notTLS }
            }
            guard body.count >= length else {
                return handshake.bytes.count >= 4 && handshake.bytes.count >= handshake.helloLength
                    ? handshake.parse() : .needMore
            }
            records += 5 + length
        }
        return handshake.parse()
    }

    /// Handshake bytes without record headers, read front to back; every read is checked.
    private struct Cursor {
        var bytes: [UInt8] = []
        var position = 0

        mutating func append(_ view: ByteView) {
            bytes.reserveCapacity(bytes.count + view.count)
            for index in 0..<view.count { bytes.append(view[index]) }
        }

        /// Length of the handshake message with its 4 bytes of header.
        var helloLength: Int {
            guard bytes.count >= 4 else { return 4 }
            return 4 + (Int(bytes[1]) << 16 | Int(bytes[2]) << 8 | Int(bytes[3]))
        }

        mutating func number(_ width: Int, end: Int) -> Int? {
            guard position + width <= end else { return nil }
            var value = 0
            for _ in 0..<width {
                value = value << 8 | Int(bytes[position])
                position += 1
            }
            return value
        }

        /// Skips a vector with a length of `width` bytes; false when it does not fit.
        mutating func skipVector(_ width: Int, end: Int) -> Bool {
            guard let length = number(width, end: end), position + length <= end else { return false }
            position += length
            return true
        }

        mutating func parse() -> Look {
            let end = helloLength
            position = 4 + 2 + 32
            guard position <= end, skipVector(1, end: end), skipVector(2, end: end), skipVector(1, end: end) else {
                return .notTLS
            }
            var hello = ClientHello()
            // Extensions may be absent altogether.
            if position == end { return .hello(hello) }
            guard let total = number(2, end: end), position + total == end else { return .notTLS }
            while position < end {
                guard let kind = number(2, end: end), let length = number(2, end: end), position + length <= end else {
                    return .notTLS
                }
                let next = position + length
                if kind == 0 { hello.serverName = serverName(end: next) }
                if kind == 16 { hello.applicationProtocols = protocols(end: next) }
                position = next
            }
            return .hello(hello)
        }

        private mutating func serverName(end: Int) -> String {
            guard number(2, end: end) != nil, number(1, end: end) == 0, let length = number(2, end: end),
                position + length <= end
            else { return "" }
            return String(decoding: bytes[position..<(position + length)], as: UTF8.self).lowercased()
        }

        private mutating func protocols(end: Int) -> [String] {
            guard number(2, end: end) != nil else { return [] }
            var found: [String] = []
            while let length = number(1, end: end), length > 0, position + length <= end {
                found.append(String(decoding: bytes[position..<(position + length)], as: UTF8.self))
                position += length
            }
            return found
        }
    }
}

// IPv4 and IPv6 addresses: parsing, text, comparison.
import CLinux
import Glibc

/// An IPv4 address.
public struct IPv4Address: Hashable, Sendable {
    /// The address as a number: 127.0.0.1 is 0x7f000001.
    public let bits: UInt32

    public init(bits: UInt32) {
        self.bits = bits
    }

    /// Four decimal parts ("192.0.2.1"), nothing else.
    public init?(_ text: String) {
        var raw = in_addr()
        guard !text.utf8.contains(0), inet_pton(AF_INET, text, &raw) == 1 else { return nil }
        self.init(raw)
    }

    init(_ raw: in_addr) {
        bits = UInt32(bigEndian: raw.s_addr)
    }

    var raw: in_addr { in_addr(s_addr: bits.bigEndian) }

    /// 0.0.0.0
    public static let any = IPv4Address(bits: 0)
    /// 127.0.0.1
    public static let loopback = IPv4Address(bits: 0x7f00_0001)
}

extension IPv4Address: CustomStringConvertible {
    public var description: String {
        "\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)"
    }
}

/// An IPv6 address, without a scope.
public struct IPv6Address: Hashable, Sendable {
    /// The first eight bytes as a number.
    public let high: UInt64
    /// The last eight bytes as a number.
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The text form of RFC 4291, section 2.2, without brackets and scope.
    public init?(_ text: String) {
        var raw = in6_addr()
        guard !text.utf8.contains(0), inet_pton(AF_INET6, text, &raw) == 1 else { return nil }
        self.init(raw)
    }

    init(_ raw: in6_addr) {
        (high, low) = withUnsafeBytes(of: raw) {
            (
                UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    var raw: in6_addr {
        var raw = in6_addr()
        withUnsafeMutableBytes(of: &raw) {
            $0.storeBytes(of: high.bigEndian, as: UInt64.self)
            $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return raw
    }

    /// ::
    public static let any = IPv6Address(high: 0, low: 0)
    /// ::1
    public static let loopback = IPv6Address(high: 0, low: 1)

    /// The IPv4 address of `::ffff:a.b.c.d`, or nil.
    public var mappedIPv4: IPv4Address? {
        guard high == 0, low >> 32 == 0xffff else { return nil }
        return IPv4Address(bits: UInt32(truncatingIfNeeded: low))
    }
}

extension IPv6Address: CustomStringConvertible {
    /// The canonical text of RFC 5952.
    public var description: String { withText { $0.string } }

    /// Runs `body` with that text, without a string.
    public func withText<Result>(_ body: (ByteView) -> Result) -> Result {
        var raw = raw
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            guard let base = text.baseAddress,
                inet_ntop(AF_INET6, &raw, base, socklen_t(INET6_ADDRSTRLEN)) != nil
            else { return body(ByteView()) }
            return body(ByteView(UnsafeRawBufferPointer(start: base, count: strlen(base))))
        }
    }
}

/// An address of either family, without a port.
public enum IPAddress: Hashable, Sendable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    /// "192.0.2.1" or "2001:db8::1"; no brackets, no scope.
    public init?(_ text: String) {
        if let v4 = IPv4Address(text) {
            self = .v4(v4)
        } else if let v6 = IPv6Address(text) {
            self = .v6(v6)
        } else {
            return nil
        }
    }

    /// True for 127.0.0.0/8, ::1, and ::ffff:127.0.0.0/104.
    public var isLoopback: Bool {
        switch self {
        case .v4(let address): return address.bits >> 24 == 127
        case .v6(let address):
            if let mapped = address.mappedIPv4 { return mapped.bits >> 24 == 127 }
            return address == .loopback
        }
    }

    /// True for 0.0.0.0 and ::.
    public var isAny: Bool {
        switch self {
        case .v4(let address): return address == .any
        case .v6(let address): return address == .any
        }
    }

    /// False for 0.0.0.0, ::, the broadcast address and multicast groups: no TCP connection has those.
    public var isUnicast: Bool {
        switch self {
        case .v4(let address): return address != .any && address.bits >> 28 != 0xe && address.bits != .max
        case .v6(let address): return address != .any && address.high >> 56 != 0xff
        }
    }

    /// True for the private ranges of RFC 1918 and RFC 4193, which Envoy counts as internal, and for loopback.
    public var isPrivateOrLoopback: Bool {
        switch self {
        case .v4(let address):
            let bits = address.bits
            return bits >> 24 == 10 || bits >> 20 == 0xac1 || bits >> 16 == 0xc0a8 || isLoopback
        case .v6(let address):
            return address.high >> 57 == 0xfc >> 1 || isLoopback
        }
    }

    /// The bytes in network order: 4 or 16.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let address):
            return (0..<4).map { UInt8(truncatingIfNeeded: address.bits >> UInt32(24 - 8 * $0)) }
        case .v6(let address):
            return (0..<16).map {
                UInt8(truncatingIfNeeded: ($0 < 8 ? address.high : address.low) >> UInt64(56 - 8 * ($0 % 8)))
            }
        }
    }
}

extension IPAddress: CustomStringConvertible {
    public var description: String {
        switch self {
        case .v4(let address): return address.description
        case .v6(let address): return address.description
        }
    }
}

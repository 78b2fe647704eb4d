// Address prefixes: "10.0.0.0/8".

/// A prefix of addresses of one family.
public struct CIDRRange: Hashable, Sendable {
    /// The prefix, with every bit after `length` zero.
    public let prefix: IPAddress
    /// Bits that count: up to 32 or 128.
    public let length: Int

    /// Bits of `address` after `length` are ignored; a length beyond the family's is cut to it.
    public init(_ address: IPAddress, length: Int) {
        let length = Swift.max(0, length)
        switch address {
        case .v4(let v4):
            self.length = Swift.min(length, 32)
            prefix = .v4(IPv4Address(bits: v4.bits & ~(UInt32.max >> UInt32(self.length))))
        case .v6(let v6):
            self.length = Swift.min(length, 128)
            prefix = .v6(
                IPv6Address(
                    high: v6.high & ~(UInt64.max >> UInt64(self.length)),
                    low: v6.low & ~(UInt64.max >> UInt64(Swift.max(0, self.length - 64)))))
        }
    }

    /// "10.0.0.0/8", "2001:db8::/32", or a bare address, which stands for itself alone.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        var full = 128
        if case .v4 = address { full = 32 }
        guard parts.count == 2 else {
            self.init(address, length: full)
            return
        }
        guard parts[1].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let length = Int(parts[1]), length <= full
        else { return nil }
        self.init(address, length: length)
    }

    /// True when the address begins with the prefix. IPv4-mapped IPv6 addresses match IPv4 prefixes.
    public func contains(_ address: IPAddress) -> Bool {
        switch (prefix, address) {
        case (.v4(let mine), .v4(let other)):
            return other.bits & ~(UInt32.max >> UInt32(length)) == mine.bits
        case (.v6(let mine), .v6(let other)):
            return other.high & ~(UInt64.max >> UInt64(length)) == mine.high
                && other.low & ~(UInt64.max >> UInt64(Swift.max(0, length - 64))) == mine.low
        case (.v4, .v6(let other)):
            guard let mapped = other.mappedIPv4 else { return false }
            return contains(.v4(mapped))
        case (.v6, .v4):
            return false
        }
    }
}

extension CIDRRange: CustomStringConvertible {
    public var description: String { "\(prefix)/\(length)" }
}

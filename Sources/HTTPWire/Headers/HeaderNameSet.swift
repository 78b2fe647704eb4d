// Sets of well-known field names, a bit each: "does the message have any of these?" in two instructions.

/// Some of the names in `HeaderName`.
public struct HeaderNameSet: Sendable, Equatable, ExpressibleByArrayLiteral {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    public init() {}

    public init(arrayLiteral names: HeaderName...) {
        for name in names { insert(name.rawValue) }
    }

    public var isEmpty: Bool { low | high == 0 }

    public func contains(_ name: HeaderName) -> Bool { contains(name.rawValue) }

    public func isDisjoint(with other: HeaderNameSet) -> Bool { low & other.low | high & other.high == 0 }

    public func intersection(_ other: HeaderNameSet) -> HeaderNameSet {
        var both = HeaderNameSet()
        both.low = low & other.low
        both.high = high & other.high
        return both
    }

    @inline(__always)
    func contains(_ raw: UInt8) -> Bool {
        (raw < 64 ? low : high) & (1 &<< UInt64(raw & 63)) != 0
    }

    @inline(__always)
    mutating func insert(_ raw: UInt8) {
        if raw < 64 { low |= 1 &<< UInt64(raw) } else { high |= 1 &<< UInt64(raw & 63) }
    }

    @inline(__always)
    mutating func remove(_ raw: UInt8) {
        if raw < 64 { low &= ~(1 &<< UInt64(raw)) } else { high &= ~(1 &<< UInt64(raw & 63)) }
    }

    /// Takes one name out; nil when there is none left.
    mutating func popFirst() -> HeaderName? {
        if low != 0 {
            let bit = low.trailingZeroBitCount
            low &= low &- 1
            return HeaderName(rawValue: UInt8(truncatingIfNeeded: bit))
        }
        guard high != 0 else { return nil }
        let bit = high.trailingZeroBitCount
        high &= high &- 1
        return HeaderName(rawValue: UInt8(truncatingIfNeeded: bit &+ 64))
    }
}

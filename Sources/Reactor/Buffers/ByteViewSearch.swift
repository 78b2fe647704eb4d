// Comparing, searching, hashing and reading numbers in a ByteView.
import CLinux
import Glibc

extension ByteView: Equatable {
    /// True when both hold the same bytes.
    @inlinable public static func == (left: ByteView, right: ByteView) -> Bool {
        left.count == right.count && (left.count == 0 || memcmp(left.start, right.start, left.count) == 0)
    }

    /// True when the bytes are those of `literal`.
    @inlinable public func equals(_ literal: StaticString) -> Bool {
        self == ByteView(literal)
    }

    /// True when the bytes are the UTF-8 of `text`.
    public func equals(text: String) -> Bool {
        var text = text
        return text.withUTF8 { self == ByteView(UnsafeRawBufferPointer($0)) }
    }

    /// True when both are the same but for the case of ASCII letters.
    public func equalsIgnoringCase(_ other: ByteView) -> Bool {
        guard count == other.count else { return false }
        var index = 0
        while index < count {
            let mine = start.load(fromByteOffset: index, as: UInt8.self)
            let theirs = other.start.load(fromByteOffset: index, as: UInt8.self)
            if mine != theirs && mine.asciiLowercased != theirs.asciiLowercased { return false }
            index &+= 1
        }
        return true
    }

    /// True when the bytes are those of `literal` but for the case of ASCII letters.
    @inlinable public func equalsIgnoringCase(_ literal: StaticString) -> Bool {
        equalsIgnoringCase(ByteView(literal))
    }

    /// True when the view begins with `other`.
    @inlinable public func hasPrefix(_ other: ByteView) -> Bool {
        prefix(other.count) == other
    }

    /// True when the view begins with `literal`.
    @inlinable public func hasPrefix(_ literal: StaticString) -> Bool { hasPrefix(ByteView(literal)) }

    /// True when the view ends with `other`.
    @inlinable public func hasSuffix(_ other: ByteView) -> Bool {
        suffix(other.count) == other
    }

    /// True when the view ends with `literal`.
    @inlinable public func hasSuffix(_ literal: StaticString) -> Bool { hasSuffix(ByteView(literal)) }

    /// The first place of `byte` at or after `from`, or nil.
    @inlinable public func firstIndex(of byte: UInt8, from: Int = 0) -> Int? {
        guard from >= 0 && from < count,
            let found = memchr(start + from, Int32(byte), count &- from)
        else { return nil }
        return UnsafeRawPointer(found) - start
    }

    /// The last place of `byte`, or nil.
    public func lastIndex(of byte: UInt8) -> Int? {
        guard count > 0, let found = memrchr(start, Int32(byte), count) else { return nil }
        return UnsafeRawPointer(found) - start
    }

    /// The first place where `other` begins, or nil; an empty `other` is found at 0.
    public func firstRange(of other: ByteView) -> Range<Int>? {
        if other.isEmpty { return 0..<0 }
        guard count >= other.count, let found = memmem(start, count, other.start, other.count) else { return nil }
        let index = UnsafeRawPointer(found) - start
        return index..<(index &+ other.count)
    }

    /// True when `byte` is somewhere in the view.
    @inlinable public func contains(_ byte: UInt8) -> Bool { firstIndex(of: byte) != nil }

    /// The view without spaces and tabs at both ends (OWS of RFC 9110, section 5.6.3).
    public var trimmingOWS: ByteView {
        var low = 0
        var high = count
        while low < high, self[low] == 0x20 || self[low] == 0x09 { low &+= 1 }
        while high > low, self[high &- 1] == 0x20 || self[high &- 1] == 0x09 { high &-= 1 }
        return slice(low..<high)
    }
}

extension ByteView {
    /// The number that the view spells in decimal digits alone; nil when empty, not a number, or over 64 bits.
    public var decimal: UInt64? {
        guard count > 0 else { return nil }
        var value: UInt64 = 0
        for index in 0..<count {
            let digit = self[index] &- 0x30
            guard digit <= 9 else { return nil }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = scaled.addingReportingOverflow(UInt64(digit))
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }

    /// The number that the view spells in hexadecimal digits alone; nil when empty, not a number, or over 64 bits.
    public var hexadecimal: UInt64? {
        guard count > 0 else { return nil }
        var value: UInt64 = 0
        for index in 0..<count {
            guard let digit = self[index].hexDigitValue, value >> 60 == 0 else { return nil }
            value = value << 4 | UInt64(digit)
        }
        return value
    }

    /// A hash of the bytes. Give a random `seed` where a peer could choose colliding keys.
    public func hash(seed: UInt64 = 0) -> UInt64 {
        var state = ByteHash(seed: seed, count: count)
        var index = 0
        while index &+ 8 <= count {
            state.mix(start.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            index &+= 8
        }
        state.mixRest(start, from: index, to: count, lowercase: false)
        return state.finish()
    }

    /// A hash that is equal for views that are equal but for the case of ASCII letters.
    public func hashIgnoringCase(seed: UInt64 = 0) -> UInt64 {
        var state = ByteHash(seed: seed, count: count)
        var index = 0
        while index &+ 8 <= count {
            state.mix(ByteHash.lowercased(start.loadUnaligned(fromByteOffset: index, as: UInt64.self)))
            index &+= 8
        }
        state.mixRest(start, from: index, to: count, lowercase: true)
        return state.finish()
    }
}

/// Multiply-and-fold hashing of eight bytes at a time.
struct ByteHash {
    private var state: UInt64

    init(seed: UInt64, count: Int) {
        state = seed ^ 0x9e37_79b9_7f4a_7c15 ^ UInt64(truncatingIfNeeded: count)
    }

    @inline(__always) mutating func mix(_ word: UInt64) {
        let product = (state ^ word).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
        state = product.high ^ product.low ^ 0xe703_7ed1_a0b4_28db
    }

    mutating func mixRest(_ bytes: UnsafeRawPointer, from: Int, to: Int, lowercase: Bool) {
        guard from < to else { return }
        var word: UInt64 = 0
        for index in from..<to {
            word = word << 8 | UInt64(bytes.load(fromByteOffset: index, as: UInt8.self))
        }
        mix(lowercase ? ByteHash.lowercased(word) : word)
    }

    func finish() -> UInt64 {
        let product = (state ^ 0x8ebc_6af0_9c88_c6e3).multipliedFullWidth(by: 0x5899_65cc_7537_4cc3)
        return product.high ^ product.low
    }

    /// Eight bytes with `A`…`Z` lowered, all at once.
    static func lowercased(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let seven = word & (ones &* 0x7f)
        let fromA = seven &+ ones &* (0x80 &- 0x41)
        let pastZ = seven &+ ones &* (0x80 &- 0x5b)
        let upper = (fromA & ~pastZ & ~word) & (ones &* 0x80)
        return word | (upper >> 2)
    }
}

extension UInt8 {
    /// The byte, with `A`…`Z` lowered.
    @inlinable public var asciiLowercased: UInt8 {
        self &- 0x41 < 26 ? self | 0x20 : self
    }

    /// The value of a hexadecimal digit, or nil.
    @inlinable public var hexDigitValue: UInt8? {
        switch self {
        case 0x30...0x39: return self &- 0x30
        case 0x41...0x46: return self &- 0x37
        case 0x61...0x66: return self &- 0x57
        default: return nil
        }
    }
}

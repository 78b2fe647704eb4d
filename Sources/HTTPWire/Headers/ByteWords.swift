// Eight bytes at a time: loads and tests for the scanning loops.
import Reactor

extension ByteView {
    /// The eight bytes at `index`, the first in the lowest bits. A range outside of the view stops the process.
    @inline(__always)
    func word(at index: Int) -> UInt64 {
        precondition(index >= 0 && index <= count &- 8, "ByteView word out of bounds")
        // Safe: the eight bytes lie inside of the view, by the line above.
        return UInt64(littleEndian: unsafeBytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
    }

    /// The `length` bytes (at most eight) at `index`, the first in the lowest bits, zeros above.
    @inline(__always)
    func shortWord(at index: Int, length: Int) -> UInt64 {
        if index &+ 8 <= count {
            return length >= 8 ? word(at: index) : word(at: index) & ((1 &<< (UInt64(length) &* 8)) &- 1)
        }
        var value: UInt64 = 0
        var place = length
        while place > 0 {
            place &-= 1
            value = value &<< 8 | UInt64(self[index &+ place])
        }
        return value
    }
}

/// Tests on eight bytes at once. The lowest marked byte of a result is exact; marks above it may be false.
enum Words {
    /// 0x01 in every byte.
    static var ones: UInt64 { 0x0101_0101_0101_0101 }
    /// 0x80 in every byte.
    static var highs: UInt64 { 0x8080_8080_8080_8080 }
    /// 0x20 in every byte: lower-cases letters and leaves digits and `-` as they are.
    static var lower: UInt64 { 0x2020_2020_2020_2020 }

    /// Marks bytes below 0x20 and 0x7f: all that a field value may not hold, and HTAB.
    @inline(__always)
    static func controls(_ word: UInt64) -> UInt64 {
        let below = (word &- ones &* 0x20) & ~word
        let delete = word ^ (ones &* 0x7f)
        return (below | ((delete &- ones) & ~delete)) & highs
    }

    /// Marks all but 0x21 to 0x7e: what no request target may hold.
    @inline(__always)
    static func outsideTarget(_ word: UInt64) -> UInt64 {
        let below = (word &- ones &* 0x21) & ~word
        let delete = word ^ (ones &* 0x7f)
        return (below | word | ((delete &- ones) & ~delete)) & highs
    }

    /// Index of the lowest marked byte; 8 when there is none.
    @inline(__always)
    static func firstMark(_ marks: UInt64) -> Int { marks.trailingZeroBitCount >> 3 }
}

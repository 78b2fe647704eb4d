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

    /// The four bytes at `index` in the same order. A range outside of the view stops the process.
    @inline(__always)
    private func halfWord(at index: Int) -> UInt64 {
        precondition(index >= 0 && index <= count &- 4, "ByteView word out of bounds")
        // Safe: the four bytes lie inside of the view, by the line above.
        return UInt64(UInt32(littleEndian: unsafeBytes.loadUnaligned(fromByteOffset: index, as: UInt32.self)))
    }

    /// Looks at eight bytes at a time from `index` on; `clear` is a quick test that may fail for unmarked bytes. Returns the first place that `marks` marks, or where fewer than
    /// eight bytes are left. A place outside of the view stops the process.
    @inline(__always)
    func firstMark(
        from index: Int, unless clear: (UInt64) -> Bool, _ marks: (UInt64) -> UInt64
    ) -> Int {
        precondition(index >= 0 && index <= count, "ByteView scan out of bounds")
        let bytes = unsafeBytes
        var place = index
        while place &+ 8 <= count {
            // Safe: `place` begins inside of the view and only grows, and eight bytes from it are inside too.
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            if !clear(word) {
                let found = marks(word)
                if found != 0 { return place &+ Words.firstMark(found) }
            }
            place &+= 8
        }
        return place
    }

    /// The `length` bytes (at most eight) at `index`, the first in the lowest bits, zeros above.
    @inline(__always)
    func shortWord(at index: Int, length: Int) -> UInt64 {
        if index &+ 8 <= count {
            return length >= 8 ? word(at: index) : word(at: index) & ((1 &<< (UInt64(length) &* 8)) &- 1)
        }
        // At the end of the view: what lies in front comes along and is shifted out, or read twice.
        let end = index &+ length
        if end >= 8 && length > 0 { return word(at: end &- 8) &>> (UInt64(8 &- length) &* 8) }
        if length >= 4 { return halfWord(at: index) | halfWord(at: end &- 4) &<< (UInt64(length &- 4) &* 8) }
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

    /// True only when all bytes are from 0x20 to 0x7e. (From the lowest byte up: when neither the subtraction nor the
    /// addition sets its high bit, a byte is in the range, and nothing is borrowed from or carried to the next.)
    @inline(__always)
    static func isPrintable(_ word: UInt64) -> Bool {
        ((word &- ones &* 0x20) | (word &+ ones)) & highs == 0
    }

    /// The same without the space: 0x21 to 0x7e.
    @inline(__always)
    static func isVisible(_ word: UInt64) -> Bool {
        ((word &- ones &* 0x21) | (word &+ ones)) & highs == 0
    }

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

    /// Marks all but letters, digits and `-`: where the name of an ordinary field ends. Every mark is exact.
    @inline(__always)
    static func outsideName(_ word: UInt64) -> UInt64 {
        let seven = word & (ones &* 0x7f)
        let folded = seven | lower
        let letters = (folded &+ ones &* (0x80 &- 0x61)) & ~(folded &+ ones &* (0x80 &- 0x7b))
        let digits = (seven &+ ones &* (0x80 &- 0x30)) & ~(seven &+ ones &* (0x80 &- 0x3a))
        let hyphens = ~((seven ^ ones &* 0x2d) &+ ones &* 0x7f)
        return ~(letters | digits | hyphens) & highs | word & highs
    }

    /// Index of the lowest marked byte; 8 when there is none.
    @inline(__always)
    static func firstMark(_ marks: UInt64) -> Int { marks.trailingZeroBitCount >> 3 }
}

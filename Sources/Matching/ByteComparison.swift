// Comparing raw bytes, with or without ASCII case.
import Glibc

/// Comparisons that allocate nothing.
enum ByteComparison {
    @inline(__always)
    static func lowercase(_ byte: UInt8) -> UInt8 {
        byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
    }

    /// `other` is in lower case already when the case is ignored.
    static func equal(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer, ignoreCase: Bool) -> Bool {
        guard one.count == other.count else { return false }
        guard let first = one.baseAddress, let second = other.baseAddress else { return true }
        if !ignoreCase { return memcmp(first, second, one.count) == 0 }
        for index in 0..<one.count where lowercase(one[index]) != other[index] { return false }
        return true
    }

    /// Whether `needle` is somewhere in `text`; an empty needle always is. `needle` is in lower case already when the
    /// case is ignored.
    static func contains(_ text: UnsafeRawBufferPointer, _ needle: [UInt8], ignoreCase: Bool) -> Bool {
        guard needle.count <= text.count else { return false }
        return needle.withUnsafeBytes { needle in
            guard let base = text.baseAddress, let first = needle.first else { return true }
            var offset = 0
            let lastOffset = text.count - needle.count
            while offset <= lastOffset {
                if !ignoreCase {
                    // Let memchr skip to the next place where the needle can begin.
                    guard let found = memchr(base + offset, Int32(first), lastOffset - offset + 1) else { return false }
                    offset = UnsafeRawPointer(found) - base
                }
                let part = UnsafeRawBufferPointer(start: base + offset, count: needle.count)
                if equal(part, needle, ignoreCase: ignoreCase) { return true }
                offset += 1
            }
            return false
        }
    }
}

// The hash by which Envoy knows versions and chooses hosts.

/// xxHash, 64 bits. Specification: "xxHash fast digest algorithm", version 0.1.1.
///
/// Not for tables whose keys a peer chooses, unless all have to come to the same value, as a fleet's proxies do.
public enum XXHash64 {
    private static let p1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let p2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let p3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let p4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let p5: UInt64 = 0x27D4_EB2F_1656_67C5

    /// The hash of a text's UTF-8.
    public static func hash(_ text: String, seed: UInt64 = 0) -> UInt64 {
        var text = text
        return text.withUTF8 { hash(ByteView(UnsafeRawBufferPointer($0)), seed: seed) }
    }

    /// The hash of bytes. Allocates nothing.
    public static func hash(_ bytes: ByteView, seed: UInt64 = 0) -> UInt64 {
        var rest = bytes
        var hash: UInt64
        if bytes.count >= 32 {
            var (a, b, c, d) = (seed &+ p1 &+ p2, seed &+ p2, seed, seed &- p1)
            while rest.count >= 32 {
                a = round(a, rest.word(at: 0))
                b = round(b, rest.word(at: 8))
                c = round(c, rest.word(at: 16))
                d = round(d, rest.word(at: 24))
                rest = rest.dropFirst(32)
            }
            hash = rotl(a, 1) &+ rotl(b, 7) &+ rotl(c, 12) &+ rotl(d, 18)
            hash = merged(merged(merged(merged(hash, a), b), c), d)
        } else {
            hash = seed &+ p5
        }
        hash &+= UInt64(truncatingIfNeeded: bytes.count)
        while rest.count >= 8 {
            hash = rotl(hash ^ round(0, rest.word(at: 0)), 27) &* p1 &+ p4
            rest = rest.dropFirst(8)
        }
        if rest.count >= 4 {
            hash = rotl(hash ^ (UInt64(rest.halfWord(at: 0)) &* p1), 23) &* p2 &+ p3
            rest = rest.dropFirst(4)
        }
        while let byte = rest.first {
            hash = rotl(hash ^ (UInt64(byte) &* p5), 11) &* p1
            rest = rest.dropFirst()
        }
        hash = (hash ^ (hash >> 33)) &* p2
        hash = (hash ^ (hash >> 29)) &* p3
        return hash ^ (hash >> 32)
    }

    private static func merged(_ hash: UInt64, _ lane: UInt64) -> UInt64 { (hash ^ round(0, lane)) &* p1 &+ p4 }

    private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 { rotl(lane &+ input &* p2, 31) &* p1 }

    private static func rotl(_ value: UInt64, _ bits: UInt64) -> UInt64 { value << bits | value >> (64 - bits) }
}

/// MurmurHash2, 64 bits, as libstdc++'s `std::hash` has it, which is what Envoy's `MURMUR_HASH_2` means.
public enum MurmurHash2 {
    private static let factor: UInt64 = 0xC6A4_A793_5BD1_E995
    private static let seed: UInt64 = 0xC70F_6907

    /// The hash of bytes. Allocates nothing.
    public static func hash(_ bytes: ByteView) -> UInt64 {
        var hash = seed ^ (UInt64(truncatingIfNeeded: bytes.count) &* factor)
        var rest = bytes
        while rest.count >= 8 {
            hash = (hash ^ (mixed(rest.word(at: 0) &* factor) &* factor)) &* factor
            rest = rest.dropFirst(8)
        }
        if !rest.isEmpty {
            var word: UInt64 = 0
            for index in 0..<rest.count { word |= UInt64(rest[index]) << UInt64(8 * index) }
            hash = (hash ^ word) &* factor
        }
        return mixed(mixed(hash) &* factor)
    }

    private static func mixed(_ value: UInt64) -> UInt64 { value ^ (value >> 47) }
}

extension ByteView {
    /// Eight bytes as a little-endian number.
    fileprivate func word(at offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset &+ 8 <= count, "ByteView index out of bounds")
        return UInt64(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Four bytes as a little-endian number.
    fileprivate func halfWord(at offset: Int) -> UInt32 {
        precondition(offset >= 0 && offset &+ 4 <= count, "ByteView index out of bounds")
        return UInt32(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}

// The hash that stands for a version text in the `version` gauges, as in Envoy.

/// xxHash, 64 bits, seed 0. Specification: "xxHash fast digest algorithm", version 0.1.1.
public enum XXHash64 {
    private static let p1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let p2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let p3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let p4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let p5: UInt64 = 0x27D4_EB2F_1656_67C5

    public static func hash(_ text: String) -> UInt64 { hash(Array(text.utf8)) }

    public static func hash(_ bytes: [UInt8]) -> UInt64 {
        var rest = bytes[...]
        var hash: UInt64
        if bytes.count >= 32 {
            var lanes = [p1 &+ p2, p2, 0, 0 &- p1]
            while rest.count >= 32 {
                for lane in 0..<4 { lanes[lane] = round(lanes[lane], take(8, &rest)) }
            }
            hash = rotl(lanes[0], 1) &+ rotl(lanes[1], 7) &+ rotl(lanes[2], 12) &+ rotl(lanes[3], 18)
            for lane in lanes { hash = (hash ^ round(0, lane)) &* p1 &+ p4 }
        } else {
            hash = p5
        }
        hash &+= UInt64(bytes.count)
        while rest.count >= 8 { hash = rotl(hash ^ round(0, take(8, &rest)), 27) &* p1 &+ p4 }
        if rest.count >= 4 { hash = rotl(hash ^ (take(4, &rest) &* p1), 23) &* p2 &+ p3 }
        while !rest.isEmpty { hash = rotl(hash ^ (take(1, &rest) &* p5), 11) &* p1 }
        hash = (hash ^ (hash >> 33)) &* p2
        hash = (hash ^ (hash >> 29)) &* p3
        return hash ^ (hash >> 32)
    }

    private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 { rotl(lane &+ input &* p2, 31) &* p1 }

    private static func rotl(_ value: UInt64, _ bits: UInt64) -> UInt64 { value << bits | value >> (64 - bits) }

    /// Little-endian.
    private static func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) -> UInt64 {
        let value = rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        rest = rest.dropFirst(count)
        return value
    }
}

// Bytes in which every misplaced part shows.

/// Test data.
public enum TestBytes {
    private static let period = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 7) }

    /// `count` bytes of a pattern whose period is a prime, so that parts that change places are noticed.
    public static func pattern(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            bytes.append(contentsOf: period.prefix(count - bytes.count))
        }
        return bytes
    }
}

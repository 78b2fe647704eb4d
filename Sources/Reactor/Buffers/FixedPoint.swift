// Numbers with six digits behind the point.
import CLinux

public enum FixedPoint {
    /// As C prints them with `%f`; empty for what has no digits.
    public static func text(_ number: Double) -> [UInt8] {
        guard number.isFinite else { return [] }
        // The longest double has 309 digits before the point.
        return [UInt8](unsafeUninitializedCapacity: 320) { buffer, count in
            count = buffer.withMemoryRebound(to: CChar.self) { text in
                Int(clinux_format_fixed(text.baseAddress, text.count, number))
            }
        }
    }
}

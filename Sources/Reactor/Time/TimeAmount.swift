// Lengths of time.

/// A length of time in nanoseconds. Arithmetic saturates, it never traps.
public struct TimeAmount: Comparable, Hashable, Sendable {
    /// Length in nanoseconds; may be negative.
    public let nanoseconds: Int64

    /// No time.
    public static let zero = TimeAmount(nanoseconds: 0)
    /// The longest amount, about 292 years.
    public static let max = TimeAmount(nanoseconds: .max)

    @inlinable public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// `count` nanoseconds.
    @inlinable public static func nanoseconds(_ count: Int64) -> TimeAmount { TimeAmount(nanoseconds: count) }
    /// `count` microseconds.
    @inlinable public static func microseconds(_ count: Int64) -> TimeAmount { scaled(count, by: 1_000) }
    /// `count` milliseconds.
    @inlinable public static func milliseconds(_ count: Int64) -> TimeAmount { scaled(count, by: 1_000_000) }
    /// `count` seconds.
    @inlinable public static func seconds(_ count: Int64) -> TimeAmount { scaled(count, by: 1_000_000_000) }
    /// `count` minutes.
    @inlinable public static func minutes(_ count: Int64) -> TimeAmount { scaled(count, by: 60_000_000_000) }
    /// `count` hours.
    @inlinable public static func hours(_ count: Int64) -> TimeAmount { scaled(count, by: 3_600_000_000_000) }

    @inlinable static func scaled(_ count: Int64, by unit: Int64) -> TimeAmount {
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        return TimeAmount(nanoseconds: overflow ? (count < 0 ? .min : .max) : product)
    }

    /// Whole microseconds, rounded toward zero.
    @inlinable public var microseconds: Int64 { nanoseconds / 1_000 }
    /// Whole milliseconds, rounded toward zero.
    @inlinable public var milliseconds: Int64 { nanoseconds / 1_000_000 }
    /// Whole seconds, rounded toward zero.
    @inlinable public var seconds: Int64 { nanoseconds / 1_000_000_000 }

    @inlinable public static func < (left: TimeAmount, right: TimeAmount) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    @inlinable public static func + (left: TimeAmount, right: TimeAmount) -> TimeAmount {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.nanoseconds)
        return TimeAmount(nanoseconds: overflow ? (right.nanoseconds < 0 ? .min : .max) : sum)
    }

    @inlinable public static func - (left: TimeAmount, right: TimeAmount) -> TimeAmount {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        return TimeAmount(nanoseconds: overflow ? (right.nanoseconds < 0 ? .max : .min) : difference)
    }

    @inlinable public static func * (left: TimeAmount, factor: Int64) -> TimeAmount {
        let (product, overflow) = left.nanoseconds.multipliedReportingOverflow(by: factor)
        return TimeAmount(nanoseconds: overflow ? ((left.nanoseconds < 0) != (factor < 0) ? .min : .max) : product)
    }
}

extension TimeAmount {
    /// Reads what a person writes: "15s", "250ms", "2m", "1h", or a bare number of seconds. Whole numbers only.
    public init?(parsing text: String) {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard let count = Int64(digits) else { return nil }
        switch text[digits.endIndex...] {
        case "", "s": self = .seconds(count)
        case "ms": self = .milliseconds(count)
        case "m": self = .minutes(count)
        case "h": self = .hours(count)
        default: return nil
        }
    }
}

extension TimeAmount: CustomStringConvertible {
    /// As a person writes it: "15s", "250ms", "1.5s", "20us".
    public var description: String {
        let units: [(name: String, size: UInt64)] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)]
        let magnitude = nanoseconds.magnitude
        let sign = nanoseconds < 0 ? "-" : ""
        if magnitude == 0 { return "0s" }
        for unit in units where magnitude >= unit.size {
            let whole = magnitude / unit.size
            var fraction = magnitude % unit.size
            if fraction == 0 { return "\(sign)\(whole)\(unit.name)" }
            var digits = ""
            var place = unit.size / 10
            while fraction > 0, place > 0 {
                digits += String(fraction / place)
                fraction %= place
                place /= 10
            }
            return "\(sign)\(whole).\(digits)\(unit.name)"
        }
        return "\(sign)\(magnitude)ns"
    }
}

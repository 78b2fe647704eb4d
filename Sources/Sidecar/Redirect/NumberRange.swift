// Ports and ids as people write them: "80", "8000-8010".

/// Numbers from `first` to `last`, both included.
public struct NumberRange<Number: FixedWidthInteger & Sendable>: Hashable, Sendable {
    public let first: Number
    public let last: Number

    public init(_ number: Number) {
        first = number
        last = number
    }

    /// "80" or "8000-8010"; nil when it is neither, out of the type's range, or backwards.
    public init?(_ text: some StringProtocol) {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, let start = ends.first, let end = ends.last,
            let first = NumberRange.number(start), let last = NumberRange.number(end), first <= last
        else { return nil }
        self.first = first
        self.last = last
    }

    /// The range with this mark between its ends, or the one number.
    func text(_ mark: String) -> String { first == last ? "\(first)" : "\(first)\(mark)\(last)" }

    private static func number(_ text: some StringProtocol) -> Number? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Number(String(text)) : nil
    }
}

extension NumberRange: CustomStringConvertible {
    public var description: String { text("-") }
}

public typealias PortRange = NumberRange<UInt16>
public typealias IDRange = NumberRange<UInt32>

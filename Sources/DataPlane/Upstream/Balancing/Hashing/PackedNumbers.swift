// Small numbers, one behind the other, in one, two or four bytes each.

/// An array that never changes, whose numbers are all below a bound.
enum PackedNumbers: Sendable {
    case bytes([UInt8])
    case pairs([UInt16])
    case words([UInt32])

    init(_ numbers: [UInt32], below bound: Int) {
        self =
            switch bound {
            case ...0x100: .bytes(numbers.map(UInt8.init(truncatingIfNeeded:)))
            case ...0x1_0000: .pairs(numbers.map(UInt16.init(truncatingIfNeeded:)))
            default: .words(numbers)
            }
    }

    var count: Int {
        switch self {
        case .bytes(let numbers): numbers.count
        case .pairs(let numbers): numbers.count
        case .words(let numbers): numbers.count
        }
    }

    subscript(index: Int) -> Int {
        switch self {
        case .bytes(let numbers): Int(numbers[index])
        case .pairs(let numbers): Int(numbers[index])
        case .words(let numbers): Int(numbers[index])
        }
    }
}

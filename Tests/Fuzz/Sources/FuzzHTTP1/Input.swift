// The fuzzer's bytes, taken one by one.
import Reactor

/// Reads choices and texts from the front of an input.
struct Input {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        rest = Array(bytes)[...]
    }

    var isEmpty: Bool { rest.isEmpty }

    /// The next byte, or 0.
    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    /// The next bytes: at most as many as the next byte modulo `limit` says.
    mutating func text(_ limit: UInt8) -> FixedBytes {
        let count = Int(byte() % limit)
        let text = Array(rest.prefix(count))
        rest = rest.dropFirst(count)
        return FixedBytes(text)
    }

    /// All that is left.
    mutating func remainder() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }
}

/// Pieces to cut a message into: sizes from a small generator, so that one input byte decides them all.
struct Cuts {
    private var state: UInt64

    init(_ seed: UInt8) { state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next() -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        let size = Int(state >> 33)
        return size & 7 == 0 ? 1 + size % 3000 : 1 + size % 20
    }
}

/// Stops the fuzzer with the input kept.
func check(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}

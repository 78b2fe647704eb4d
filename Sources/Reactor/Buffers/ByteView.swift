// Borrowed bytes: the currency between rooms. A view owns nothing and copies for free.

/// Bytes that somebody else owns: a pointer and a count, bounds-checked.
///
/// A view is valid until its owner (queue, arena, slab) is changed or freed; it is never stored across a call that may
/// do either. Not `Sendable`: it stays on the thread of its owner.
public struct ByteView {
    @usableFromInline let start: UnsafeRawPointer
    /// Number of bytes.
    public let count: Int

    /// Where empty views point: never read.
    @inlinable static var nowhere: UnsafeRawPointer {
        // Invariant: a non-zero bit pattern is never nil.
        UnsafeRawPointer(bitPattern: 64).unsafelyUnwrapped
    }

    @inlinable init(start: UnsafeRawPointer, count: Int) {
        self.start = start
        self.count = count
    }

    /// An empty view.
    @inlinable public init() {
        self.init(start: ByteView.nowhere, count: 0)
    }

    /// The bytes of a buffer; valid as long as the buffer is.
    @inlinable public init(_ buffer: UnsafeRawBufferPointer) {
        self.init(start: buffer.baseAddress ?? ByteView.nowhere, count: buffer.count)
    }

    /// The UTF-8 bytes of a literal; valid for ever.
    @inlinable public init(_ literal: StaticString) {
        precondition(literal.hasPointerRepresentation, "a one-scalar literal has no bytes in memory")
        self.init(start: UnsafeRawPointer(literal.utf8Start), count: literal.utf8CodeUnitCount)
    }

    /// True when there is no byte.
    @inlinable public var isEmpty: Bool { count == 0 }

    /// The byte at `index`. An index outside of `0..<count` stops the process.
    @inlinable public subscript(index: Int) -> UInt8 {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "ByteView index out of bounds")
        return start.load(fromByteOffset: index, as: UInt8.self)
    }

    /// The first byte, if any.
    @inlinable public var first: UInt8? { count > 0 ? start.load(as: UInt8.self) : nil }

    /// The last byte, if any.
    @inlinable public var last: UInt8? { count > 0 ? start.load(fromByteOffset: count &- 1, as: UInt8.self) : nil }

    /// At most the first `length` bytes.
    @inlinable public func prefix(_ length: Int) -> ByteView {
        ByteView(start: start, count: Swift.min(Swift.max(length, 0), count))
    }

    /// At most the last `length` bytes.
    @inlinable public func suffix(_ length: Int) -> ByteView {
        let kept = Swift.min(Swift.max(length, 0), count)
        return ByteView(start: start + (count &- kept), count: kept)
    }

    /// Everything after the first `length` bytes; empty when there are fewer.
    @inlinable public func dropFirst(_ length: Int = 1) -> ByteView {
        let dropped = Swift.min(Swift.max(length, 0), count)
        return ByteView(start: start + dropped, count: count &- dropped)
    }

    /// Everything before the last `length` bytes; empty when there are fewer.
    @inlinable public func dropLast(_ length: Int = 1) -> ByteView {
        let dropped = Swift.min(Swift.max(length, 0), count)
        return ByteView(start: start, count: count &- dropped)
    }

    /// The bytes in `range`. A range outside of the view stops the process.
    @inlinable public func slice(_ range: Range<Int>) -> ByteView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "ByteView slice out of bounds")
        return ByteView(start: start + range.lowerBound, count: range.upperBound &- range.lowerBound)
    }

    /// The bytes as a raw buffer, for C and for matchers; valid as long as the view is.
    @inlinable public var unsafeBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: count)
    }

    /// Runs `body` with the bytes.
    @inlinable public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafeBytes)
    }

    /// A copy as text; what is no UTF-8 becomes U+FFFD.
    public var string: String { String(decoding: unsafeBytes, as: UTF8.self) }

    /// A copy as an array.
    public var array: [UInt8] { Array(unsafeBytes) }
}

extension ByteView: CustomStringConvertible {
    /// The same as `string`.
    public var description: String { string }
}

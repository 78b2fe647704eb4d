// Immutable bytes made at configuration time: header values, bodies, names.

/// Bytes that never change and live as long as the reference does.
public final class FixedBytes: Sendable {
    // Invariant: written only in init, freed only in deinit; so any thread may read them.
    private nonisolated(unsafe) let storage: UnsafeMutableRawBufferPointer

    /// A copy of the bytes.
    public init(_ bytes: ByteView) {
        storage = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        storage.copyMemory(from: bytes.unsafeBytes)
    }

    /// The UTF-8 of a text.
    public convenience init(_ text: String) {
        self.init(Array(text.utf8))
    }

    /// A copy of an array.
    public convenience init(_ bytes: [UInt8]) {
        self.init(copying: bytes)
    }

    private init(copying bytes: [UInt8]) {
        storage = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        storage.copyBytes(from: bytes)
    }

    deinit { storage.deallocate() }

    /// The bytes; valid while the object is held by something that outlives the use, such as a property of the caller.
    /// A local variable or a temporary does not count: it may be released right after this call. Use `withView` there.
    public var view: ByteView { ByteView(UnsafeRawBufferPointer(storage)) }

    /// Runs `body` with the bytes, and keeps them alive until it is done.
    public func withView<Result>(_ body: (ByteView) -> Result) -> Result {
        withExtendedLifetime(self) { body(view) }
    }

    /// Number of bytes.
    public var count: Int { storage.count }

    /// A copy as text.
    public var string: String { withView { $0.string } }
}

// Growable bytes addressed by offset: what a header table keeps its names and values in.

/// Owned bytes that only grow until they are all removed. Offsets stay valid when it grows, views do not.
public struct ByteArena: ~Copyable {
    @usableFromInline var storage: UnsafeMutableRawPointer?
    /// Bytes in use.
    public private(set) var count = 0
    /// Bytes that fit before the next growth.
    public private(set) var capacity = 0

    /// An empty arena; allocates nothing.
    public init() {}

    deinit { storage?.deallocate() }

    /// Appends a copy and returns the offset at which it begins. `bytes` may be a view of this arena.
    @discardableResult
    public mutating func append(_ bytes: ByteView) -> Int {
        let offset = count
        guard bytes.count > 0 else { return offset }
        if capacity &- count < bytes.count || storage == nil {
            grow(appending: bytes)
            return offset
        }
        if let storage {
            (storage + count).copyMemory(from: bytes.start, byteCount: bytes.count)
            count &+= bytes.count
        }
        return offset
    }

    /// Appends the UTF-8 of a text and returns the offset at which it begins.
    @discardableResult
    public mutating func append(_ text: String) -> Int {
        var text = text
        return text.withUTF8 { append(ByteView(UnsafeRawBufferPointer($0))) }
    }

    /// Appends one byte.
    public mutating func append(byte: UInt8) {
        withUnsafeBytes(of: byte) { _ = append(ByteView($0)) }
    }

    /// The bytes at `offset`; valid until the next append or removal. A range outside stops the process.
    public func view(_ offset: Int, _ length: Int) -> ByteView {
        precondition(offset >= 0 && length >= 0 && offset <= count && length <= count &- offset, "outside the arena")
        guard let storage else { return ByteView() }
        return ByteView(start: UnsafeRawPointer(storage + offset), count: length)
    }

    /// Everything.
    public var view: ByteView { view(0, count) }

    /// Changes the bytes from `offset` in place, by as many bytes as `bytes` has. A range outside stops the process.
    public mutating func overwrite(at offset: Int, _ bytes: ByteView) {
        precondition(offset >= 0 && offset <= count && bytes.count <= count &- offset, "outside the arena")
        guard let storage, bytes.count > 0 else { return }
        (storage + offset).copyMemory(from: bytes.start, byteCount: bytes.count)
    }

    /// Forgets everything after the first `length` bytes.
    public mutating func truncate(to length: Int) {
        count = Swift.min(count, Swift.max(length, 0))
    }

    /// Forgets the bytes, and gives the memory back unless it is to be used again.
    public mutating func removeAll(keepingCapacity: Bool = true) {
        count = 0
        if !keepingCapacity {
            storage?.deallocate()
            storage = nil
            capacity = 0
        }
    }

    @inline(never)
    private mutating func grow(appending bytes: ByteView) {
        let needed = count + bytes.count
        let target = Swift.max(needed, Swift.max(256, capacity * 2))
        let bigger = UnsafeMutableRawPointer.allocate(byteCount: target, alignment: 16)
        if let storage { bigger.copyMemory(from: storage, byteCount: count) }
        (bigger + count).copyMemory(from: bytes.start, byteCount: bytes.count)
        storage?.deallocate()
        storage = bigger
        capacity = target
        count = needed
    }
}

// Looking configured names up by the bytes of a request: hosts, paths.
import Reactor

/// An immutable hash table from byte strings to numbers of 0 and more. Its keys come from the configuration, so nobody
/// can make them collide.
struct ByteIndex {
    private struct Entry {
        var start: Int32
        var count: Int32
        var value: Int32
    }

    /// 1 + the entry's number; 0 for none. Always twice as many as entries at least, a power of two.
    private let slots: [Int32]
    private let entries: [Entry]
    private let text: FixedBytes
    // Valid as long as `text` is held.
    private let view: ByteView
    private let ignoreCase: Bool

    /// Of equal keys the first counts.
    init(_ pairs: [(key: String, value: Int)], ignoreCase: Bool) {
        var text: [UInt8] = []
        var entries: [Entry] = []
        var size = 4
        while size < pairs.count * 2 { size *= 2 }
        var slots = [Int32](repeating: 0, count: size)
        for (key, value) in pairs {
            let bytes = Array(key.utf8)
            let entry = Entry(
                start: Int32(clamping: text.count), count: Int32(clamping: bytes.count), value: Int32(clamping: value))
            var slot = bytes.withUnsafeBytes { ByteIndex.slot(ByteView($0), ignoreCase, size) }
            var isNew = true
            while slots[slot] != 0 && isNew {
                let other = entries[Int(slots[slot]) - 1]
                let known = text[Int(other.start)..<Int(other.start + other.count)]
                isNew = !known.withUnsafeBytes { known in
                    bytes.withUnsafeBytes { ByteIndex.equal(ByteView(known), ByteView($0), ignoreCase) }
                }
                slot = (slot + 1) & (size - 1)
            }
            guard isNew else { continue }
            text += bytes
            entries.append(entry)
            slots[slot] = Int32(clamping: entries.count)
        }
        self.slots = slots
        self.entries = entries
        self.text = FixedBytes(text)
        view = self.text.view
        self.ignoreCase = ignoreCase
    }

    var isEmpty: Bool { entries.isEmpty }

    /// The number under `key`; -1 when there is none.
    func find(_ key: ByteView) -> Int {
        if entries.isEmpty { return -1 }
        var slot = ByteIndex.slot(key, ignoreCase, slots.count)
        while slots[slot] != 0 {
            let entry = entries[Int(slots[slot]) - 1]
            let start = Int(entry.start)
            if ByteIndex.equal(view.slice(start..<start + Int(entry.count)), key, ignoreCase) {
                return Int(entry.value)
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return -1
    }

    private static func slot(_ key: ByteView, _ ignoreCase: Bool, _ size: Int) -> Int {
        let hash = ignoreCase ? key.hashIgnoringCase() : key.hash()
        return Int(truncatingIfNeeded: hash) & (size - 1)
    }

    private static func equal(_ one: ByteView, _ other: ByteView, _ ignoreCase: Bool) -> Bool {
        ignoreCase ? one.equalsIgnoringCase(other) : one == other
    }
}

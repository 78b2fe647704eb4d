// The storage of a HeaderMap: one arena of bytes, a flat table of entries, and a bit for each well-known name.
import Reactor

/// A field line: where its name and value lie in the arena.
struct HeaderEntry {
    /// `HeaderEntry.staticName` when the name is the well-known one in lower case and not in the arena.
    var nameStart: UInt32
    var valueStart: UInt32
    var valueCount: UInt32
    var nameCount: UInt16
    /// Raw value of the `HeaderName`, or `HeaderNameIndex.unknown`.
    var known: UInt8
    /// Eight bits of the name's hash.
    var mark: UInt8

    static var staticName: UInt32 { .max }
    /// Marks a removed entry; it stays in the table, so that indices stay valid.
    static var removed: UInt8 { 0xfe }
    var isLive: Bool { known != HeaderEntry.removed }
}

/// A range of the arena; absent when `start` is `Piece.absent.start`.
struct Piece: Equatable {
    var start: UInt32
    var count: UInt32

    static var absent: Piece { Piece(start: .max, count: 0) }
    var isPresent: Bool { start != .max }

    init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    init(_ start: Int, _ count: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.count = UInt32(truncatingIfNeeded: count)
    }
}

/// Fields and pseudo-headers over one arena. Offsets are 32 bits: the parsers' limits keep heads far below that, and
/// `append` refuses what would not fit.
struct HeaderTable: ~Copyable {
    /// Arena bytes above which the memory is given back when the table is emptied.
    static var keptCapacity: Int { 32 * 1024 }
    static var keptEntries: Int { 256 }
    /// Bytes that one table can hold.
    static var maxBytes: Int { 1 << 30 }

    var arena = ByteArena()
    var entries = FlatArray<HeaderEntry>()
    /// Entries not removed.
    var count = 0
    /// Bytes of the names and values of live entries and of the pseudo-headers.
    var byteSize = 0
    /// The well-known names that have a live entry.
    private(set) var present = HeaderNameSet()
    /// Those of them that may have more than one.
    private var repeated = HeaderNameSet()
    /// A bit for each mark that an unknown name in the table has.
    private var marks: UInt64 = 0
    let names = HeaderNameIndex.shared

    var method = Piece.absent
    var path = Piece.absent
    var authority = Piece.absent
    var scheme = Piece.absent
    var reason = Piece.absent
    /// The bytes of the field name that `authority` came under ("Host"), to be written the same way.
    var hostName = Piece.absent
    var methodKind = HTTPMethod.other
    var status = 0
    var statusText = Piece.absent
    /// The last combined value and the entry it begins with, so that asking again costs nothing.
    var combined = Piece.absent
    var combinedEntry = -1

    /// Entries that a table can hold; more than any configured limit comes near.
    static var maxEntries: Int { 0x7ffe }

    init() {}

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: entries.capacity <= HeaderTable.keptEntries)
        arena.removeAll(keepingCapacity: arena.capacity <= HeaderTable.keptCapacity)
        count = 0
        byteSize = 0
        present = HeaderNameSet()
        repeated = HeaderNameSet()
        marks = 0
        method = .absent
        path = .absent
        authority = .absent
        scheme = .absent
        reason = .absent
        hostName = .absent
        methodKind = .other
        status = 0
        statusText = .absent
        forgetCombined()
    }

    /// Forgets what look-ups stored behind the first `count` bytes of the arena.
    mutating func forgetNotes(behind count: Int) {
        arena.truncate(to: count)
        statusText = .absent
        forgetCombined()
    }

    mutating func copy(from other: borrowing HeaderTable) {
        removeAll()
        arena.append(other.arena.view)
        entries.copy(from: other.entries)
        count = other.count
        byteSize = other.byteSize
        present = other.present
        repeated = other.repeated
        marks = other.marks
        method = other.method
        path = other.path
        authority = other.authority
        scheme = other.scheme
        reason = other.reason
        hostName = other.hostName
        methodKind = other.methodKind
        status = other.status
        statusText = other.statusText
    }

    // MARK: Reading

    func view(_ piece: Piece) -> ByteView {
        piece.isPresent ? arena.view(Int(piece.start), Int(piece.count)) : ByteView()
    }

    func name(_ entry: HeaderEntry) -> ByteView {
        if entry.nameStart == HeaderEntry.staticName {
            return HeaderName(rawValue: entry.known)?.bytes ?? ByteView()
        }
        return arena.view(Int(entry.nameStart), Int(entry.nameCount))
    }

    func value(_ entry: HeaderEntry) -> ByteView {
        arena.view(Int(entry.valueStart), Int(entry.valueCount))
    }

    /// True when there is a live entry of `name`.
    @inline(__always)
    func has(_ name: HeaderName) -> Bool { present.contains(name.rawValue) }

    /// Index of the first live entry of `name`, or -1.
    @inline(__always)
    func first(_ name: HeaderName) -> Int {
        present.contains(name.rawValue) ? next(known: name.rawValue, from: 0) : -1
    }

    /// False when there is one live entry of `name` at most.
    func hasSeveral(_ name: HeaderName) -> Bool { repeated.contains(name.rawValue) }

    /// Index of the first live entry of `key` at or after `from`, or -1.
    func next(_ key: borrowing HeaderKey, from: Int = 0) -> Int {
        if let known = key.known {
            let start = first(known)
            if start >= from { return start }
            return start >= 0 && hasSeveral(known) ? next(known: known.rawValue, from: from) : -1
        }
        return next(unknown: key.bytes.view, mark: key.mark, from: from)
    }

    func next(known: UInt8, from: Int) -> Int {
        var index = from
        while index < entries.count {
            if entries[index].known == known { return index }
            index &+= 1
        }
        return -1
    }

    func next(unknown name: ByteView, mark: UInt8, from: Int) -> Int {
        if marks & HeaderTable.bit(mark) == 0 { return -1 }
        var index = from
        while index < entries.count {
            let entry = entries[index]
            if entry.mark == mark && entry.known == HeaderNameIndex.unknown && Int(entry.nameCount) == name.count
                && arena.view(Int(entry.nameStart), Int(entry.nameCount)).equalsIgnoringCase(name)
            {
                return index
            }
            index &+= 1
        }
        return -1
    }

    // MARK: Changing

    /// Adds an entry whose name and value are in the arena, or will be before anybody looks.
    @inline(__always)
    mutating func add(_ entry: HeaderEntry) {
        entries.append(entry)
        count &+= 1
        byteSize &+= Int(entry.nameCount) &+ Int(entry.valueCount)
        if entry.known < 128 {
            if present.contains(entry.known) { repeated.insert(entry.known) } else { present.insert(entry.known) }
        } else {
            marks |= HeaderTable.bit(entry.mark)
        }
    }

    var hasRoom: Bool { entries.count < HeaderTable.maxEntries && arena.count < HeaderTable.maxBytes }

    mutating func remove(at index: Int) {
        guard index >= 0 && index < entries.count, entries[index].isLive else { return }
        let entry = entries[index]
        entries[index].known = HeaderEntry.removed
        count &-= 1
        byteSize &-= Int(entry.nameCount) &+ Int(entry.valueCount)
        forgetCombined()
        if entry.known < 128 && (!repeated.contains(entry.known) || next(known: entry.known, from: 0) < 0) {
            present.remove(entry.known)
            repeated.remove(entry.known)
        }
    }

    @inline(__always)
    mutating func removeAll(_ name: HeaderName) {
        if present.contains(name.rawValue) { removePresent(name.rawValue) }
    }

    /// Removes all entries of every name in `names`.
    @inline(__always)
    mutating func removeAll(_ names: HeaderNameSet) {
        if present.isDisjoint(with: names) { return }
        var found = present.intersection(names)
        while let name = found.popFirst() { removePresent(name.rawValue) }
    }

    @inline(never)
    private mutating func removePresent(_ known: UInt8) {
        let several = repeated.contains(known)
        present.remove(known)
        repeated.remove(known)
        var index = next(known: known, from: 0)
        while index >= 0 {
            let entry = entries[index]
            entries[index].known = HeaderEntry.removed
            count &-= 1
            byteSize &-= Int(entry.nameCount) &+ Int(entry.valueCount)
            if !several { break }
            index = next(known: known, from: index &+ 1)
        }
        forgetCombined()
    }

    /// Puts clean bytes in the place of an entry's value.
    mutating func setValue(at index: Int, _ value: ByteView) {
        let old = entries[index]
        if value.count <= Int(old.valueCount) {
            arena.overwrite(at: Int(old.valueStart), value)
        } else {
            entries[index].valueStart = UInt32(truncatingIfNeeded: arena.append(value))
        }
        entries[index].valueCount = UInt32(truncatingIfNeeded: value.count)
        byteSize &+= value.count &- Int(old.valueCount)
        forgetCombined()
    }

    /// Stores `bytes` in the arena; absent when the table is full.
    mutating func store(_ bytes: ByteView) -> Piece {
        guard arena.count &+ bytes.count < HeaderTable.maxBytes else { return .absent }
        return Piece(arena.append(bytes), bytes.count)
    }

    mutating func forgetCombined() { combinedEntry = -1 }

    @inline(__always)
    private static func bit(_ mark: UInt8) -> UInt64 { 1 &<< UInt64(mark & 63) }
}

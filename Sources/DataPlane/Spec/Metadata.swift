// Values by namespace and key that control planes write beside endpoints, clusters, routes and listeners.
import Reactor
import Synchronization

/// `envoy.config.core.v3.Metadata.filter_metadata`: structs by namespace. Immutable, any thread.
///
/// It is kept as the message's bytes, the entries of each map in the order of their keys: one block of memory where objects
/// would be many, and equal where the meaning is. `shared` gives one object for all that are equal: there are thousands of
/// endpoints with the same few values.
public final class Metadata: Sendable, Hashable {
    let bytes: [UInt8]

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// - Parameter bytes: of an `envoy.config.core.v3.Metadata`, its maps in order (`useDeterministicOrdering`).
    /// - Returns: nil where there are none.
    public static func shared(_ bytes: [UInt8]) -> Metadata? {
        if bytes.isEmpty { return nil }
        return pool.withLock { $0.take(bytes) }
    }

    public static func == (one: Metadata, other: Metadata) -> Bool { one === other || one.bytes == other.bytes }

    public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }

    /// All of a namespace, an object; nil: it has none.
    func values(in namespace: ByteView) -> MetadataValue? {
        MetadataValue(.object(bytes.indices), of: bytes, at: bytes.indices).entry(namespace, holdsObjects: true)
    }

    func values(in namespace: String) -> MetadataValue? {
        var namespace = namespace
        return namespace.withUTF8 { values(in: ByteView(UnsafeRawBufferPointer($0))) }
    }

    /// Whether it has all that `labels` have in a namespace, with equal values. An empty namespace is in all.
    ///
    /// - Parameter anyOfList: a list stands for each of its elements (`list_as_any`).
    func holds(_ labels: Metadata, in namespace: String, anyOfList: Bool = false) -> Bool {
        guard let wanted = labels.values(in: namespace) else { return true }
        let own = values(in: namespace)
        var holdsAll = true
        wanted.forEachMember { key, value in
            let entry = wanted.withBytes(key) { own?.entry($0) }
            holdsAll = entry.map { $0.isSame(as: value) || anyOfList && $0.hasElement(value) } ?? false
            return holdsAll
        }
        return holdsAll
    }

    // MARK: - Sharing

    private static let pool = Mutex(Pool())

    /// For tests of what it takes.
    static var sharedCount: Int { pool.withLock { $0.count } }

    /// All that is in use, and some that is not: whenever there are twice as many as were in use, the others go.
    private struct Pool {
        private var known: [[UInt8]: Metadata] = [:]
        private var limit = Pool.leastLimit
        private static let leastLimit = 256

        mutating func take(_ bytes: [UInt8]) -> Metadata {
            if let same = known[bytes] { return same }
            if known.count >= limit { forgetUnused() }
            let made = Metadata(bytes)
            known[made.bytes] = made
            return made
        }

        var count: Int { known.count }

        private mutating func forgetUnused() {
            var unused: [[UInt8]] = []
            // Not by `indices`, which would hold all of them once more.
            var index = known.startIndex
            while index != known.endIndex {
                if isKnownUniquelyReferenced(&known.values[index]) { unused.append(known.keys[index]) }
                known.formIndex(after: &index)
            }
            for bytes in unused { known[bytes] = nil }
            limit = max(Pool.leastLimit, 2 * known.count)
        }
    }
}

/// One value in a metadata's bytes (`google.protobuf.Value`).
struct MetadataValue {
    enum Kind {
        case null
        case number(Double)
        case bool(Bool)
        /// Where its bytes are.
        case text(Range<Int>)
        /// `google.protobuf.Struct`, or another message with one map.
        case object(Range<Int>)
        /// `google.protobuf.ListValue`
        case list(Range<Int>)
    }

    let kind: Kind
    let bytes: [UInt8]
    /// Where it stands in them.
    let range: Range<Int>

    init(_ kind: Kind, of bytes: [UInt8], at range: Range<Int>) {
        self.kind = kind
        self.bytes = bytes
        self.range = range
    }

    /// A serialized `Value`; the last field counts. Bytes that are none are null.
    private init(in range: Range<Int>, of bytes: [UInt8]) {
        var kind = Kind.null
        var reader = ProtobufReader(bytes, in: range)
        while let (number, value) = reader.next() {
            switch (number, value) {
            case (2, .fixed(let place)): kind = .number(Self.number(bytes[place]))
            case (3, .bytes(let place)): kind = .text(place)
            case (4, .varint(let flag)): kind = .bool(flag != 0)
            case (5, .bytes(let place)): kind = .object(place)
            case (6, .bytes(let place)): kind = .list(place)
            default: kind = .null
            }
        }
        self.init(kind, of: bytes, at: range)
    }

    /// Equal values have equal bytes.
    func isSame(as other: MetadataValue) -> Bool { bytes[range] == other.bytes[other.range] }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Double {
        Double(bitPattern: bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// The members of an object in the order of their keys; nothing of others. `body` returns false to end.
    ///
    /// - Parameter holdsObjects: its members are `Struct`s and not `Value`s.
    func forEachMember(
        holdsObjects: Bool = false, _ body: (_ key: Range<Int>, _ value: MetadataValue) -> Bool
    ) {
        guard case .object(let range) = kind else { return }
        var members = ProtobufReader(bytes, in: range)
        while let (number, value) = members.next() {
            guard number == 1, case .bytes(let entry) = value else { continue }
            var (key, content) = (entry.lowerBound..<entry.lowerBound, entry.lowerBound..<entry.lowerBound)
            var fields = ProtobufReader(bytes, in: entry)
            while let (number, value) = fields.next() {
                guard case .bytes(let place) = value else { continue }
                if number == 1 { key = place }
                if number == 2 { content = place }
            }
            let member =
                holdsObjects
                ? MetadataValue(.object(content), of: bytes, at: content) : MetadataValue(in: content, of: bytes)
            if !body(key, member) { return }
        }
    }

    /// The member of an object; nil: it has none.
    func entry(_ key: ByteView, holdsObjects: Bool = false) -> MetadataValue? {
        var found: MetadataValue?
        forEachMember(holdsObjects: holdsObjects) { name, value in
            if withBytes(name, { $0 == key }) { found = value }
            return found == nil
        }
        return found
    }

    func entry(_ key: String) -> MetadataValue? {
        var key = key
        return key.withUTF8 { entry(ByteView(UnsafeRawBufferPointer($0))) }
    }

    /// Runs `body` with some of the bytes: those of a text, or of a member's key.
    func withBytes<Result>(_ range: Range<Int>, _ body: (ByteView) -> Result) -> Result {
        bytes.withUnsafeBytes { body(ByteView(UnsafeRawBufferPointer(rebasing: $0[range]))) }
    }

    /// A list has it among its elements.
    func hasElement(_ wanted: MetadataValue) -> Bool {
        var isFound = false
        forEachElement { isFound = isFound || $0.isSame(as: wanted) }
        return isFound
    }

    /// The elements of a list; nothing of others.
    func forEachElement(_ body: (MetadataValue) -> Void) {
        guard case .list(let range) = kind else { return }
        var elements = ProtobufReader(bytes, in: range)
        while let (number, value) = elements.next() {
            if number == 1, case .bytes(let place) = value { body(MetadataValue(in: place, of: bytes)) }
        }
    }
}

// The fields and pseudo-headers of one message: what parsers fill, filters change and serializers write.
import Reactor

/// The head (or the trailers) of one message. Made to be used again: `removeAll` keeps the memory.
///
/// Fields keep their order and the case of their names; looking a name up ignores case. Method, path, authority,
/// scheme and status are kept apart from the fields; `Host` is the authority and is no field of a request.
/// Nothing that is set from code can break the framing: names that are no tokens are refused, and CR, LF and NUL in
/// values become spaces (RFC 9110, section 5.5).
///
/// Views that come out are valid until the map is changed. Loop thread only.
public final class HeaderMap {
    // The map is used on one thread, and no closure runs while the table is being changed.
    @exclusivity(unchecked) var table = HeaderTable()

    /// An empty map.
    public init() {}

    /// Number of field lines.
    public var count: Int { table.count }
    public var isEmpty: Bool { table.count == 0 }
    /// Bytes of all names and values, pseudo-headers included.
    public var byteSize: Int {
        table.byteSize &+ Int(table.method.count) &+ Int(table.path.count) &+ Int(table.authority.count)
            &+ Int(table.scheme.count)
    }

    /// Forgets everything and keeps the memory, unless it grew beyond what an ordinary head needs.
    public func removeAll() { table.removeAll() }

    /// Makes this map a copy of `other`.
    public func copy(from other: HeaderMap) {
        guard other !== self else { return }
        table.copy(from: other.table)
    }

    // MARK: Looking up

    /// The first value of `name`; `.host` is the authority.
    public func value(_ name: HeaderName) -> ByteView? {
        let index = table.first(name)
        if index >= 0 { return table.value(table.entries[index]) }
        return name == .host && table.authority.isPresent ? table.view(table.authority) : nil
    }

    /// The first value of `key`, pseudo-headers included.
    public func value(_ key: HeaderKey) -> ByteView? {
        if let pseudo = key.pseudo { return value(pseudo) }
        let index = table.next(key)
        return index >= 0 ? table.value(table.entries[index]) : nil
    }

    /// The first value under `name` in any case. For names known before, a `HeaderKey` is faster.
    public func value(named name: ByteView) -> ByteView? {
        guard name.isToken else {
            guard name.first == 0x3a, let key = HeaderKey(name) else { return nil }
            return value(key)
        }
        let (known, mark) = table.names.recognise(name, 0, name.count)
        if let known = HeaderName(rawValue: known) { return value(known) }
        let index = table.next(unknown: name, mark: mark, from: 0)
        return index >= 0 ? table.value(table.entries[index]) : nil
    }

    /// The first value under `name` in any case.
    public func value(named name: StaticString) -> ByteView? { value(named: ByteView(name)) }

    public func contains(_ name: HeaderName) -> Bool {
        table.has(name) || name == .host && table.authority.isPresent
    }
    /// True when a field of one of `names` is there at least.
    public func containsAny(of names: HeaderNameSet) -> Bool { !table.present.isDisjoint(with: names) }
    public func contains(_ key: HeaderKey) -> Bool { value(key) != nil }
    public func contains(named name: ByteView) -> Bool { value(named: name) != nil }

    /// A pseudo-header's value; nil when it is not set.
    public func value(_ pseudo: HeaderKey.Pseudo) -> ByteView? {
        switch pseudo {
        case .method: table.method.isPresent ? table.view(table.method) : nil
        case .path: table.path.isPresent ? table.view(table.path) : nil
        case .authority:
            table.authority.isPresent ? table.view(table.authority) : firstValue(.host)
        case .scheme: table.scheme.isPresent ? table.view(table.scheme) : nil
        case .status: table.status > 0 ? statusText : nil
        }
    }

    private func firstValue(_ name: HeaderName) -> ByteView? {
        let index = table.first(name)
        return index >= 0 ? table.value(table.entries[index]) : nil
    }

    /// Calls `body` with each value of `name`, in order. Do not change the map in `body`.
    public func forEachValue(of name: HeaderName, _ body: (ByteView) -> Void) {
        var index = table.first(name)
        if index < 0 && name == .host && table.authority.isPresent { body(table.view(table.authority)) }
        let several = table.hasSeveral(name)
        while index >= 0 {
            body(table.value(table.entries[index]))
            index = several ? table.next(known: name.rawValue, from: index &+ 1) : -1
        }
    }

    /// Calls `body` with each value of `key`, in order. Do not change the map in `body`.
    public func forEachValue(of key: HeaderKey, _ body: (ByteView) -> Void) {
        if let pseudo = key.pseudo {
            if let value = value(pseudo) { body(value) }
            return
        }
        var index = table.next(key)
        while index >= 0 {
            body(table.value(table.entries[index]))
            index = table.next(key, from: index &+ 1)
        }
    }

    /// Calls `body` with the name (in its original case) and value of each field, in order. Do not change the map in
    /// `body`.
    public func forEachField(_ body: (_ name: ByteView, _ value: ByteView) -> Void) {
        var index = 0
        while index < table.entries.count {
            let entry = table.entries[index]
            if entry.isLive { body(table.name(entry), table.value(entry)) }
            index &+= 1
        }
    }

    /// All values of `key` joined by `,` (`; ` for cookies): what RFC 9110, section 5.2 says they mean together.
    public func combinedValue(_ key: HeaderKey) -> ByteView? {
        if let pseudo = key.pseudo { return value(pseudo) }
        let first = table.next(key)
        guard first >= 0 else { return nil }
        var next = table.next(key, from: first &+ 1)
        guard next >= 0 else { return table.value(table.entries[first]) }
        if table.combinedEntry == first { return table.view(table.combined) }
        let start = table.arena.count
        table.arena.append(table.value(table.entries[first]))
        while next >= 0 && table.arena.count < HeaderTable.maxBytes {
            table.arena.append(ByteView(key.known == .cookie ? "; " : ","))
            table.arena.append(table.value(table.entries[next]))
            next = table.next(key, from: next &+ 1)
        }
        table.combined = Piece(start, table.arena.count &- start)
        table.combinedEntry = first
        return table.view(table.combined)
    }
}

extension HeaderMap {
    // MARK: Pseudo-headers

    /// The request method; empty in responses.
    public var method: ByteView { table.view(table.method) }
    /// The method as a value.
    public var methodKind: HTTPMethod { table.methodKind }
    /// The path with its query, `*`, or empty (CONNECT).
    public var path: ByteView { table.view(table.path) }
    /// The authority of the target, or the value of `Host`; empty when there was none.
    public var authority: ByteView { table.view(table.authority) }
    /// True when there is an authority, were it an empty one.
    public var hasAuthority: Bool { table.authority.isPresent }
    /// The scheme of an absolute target or what was set; empty otherwise.
    public var scheme: ByteView { table.view(table.scheme) }
    /// The reason phrase as the upstream sent it; empty when there was none.
    public var reason: ByteView { table.view(table.reason) }

    /// The response status; 0 in requests.
    public var status: Int {
        get { table.status }
        set {
            table.status = newValue
            table.statusText = .absent
            table.reason = .absent
        }
    }

    /// Sets the method; false (and no change) when it is no token.
    @discardableResult
    public func setMethod(_ method: ByteView) -> Bool {
        guard method.isToken else { return false }
        table.methodKind = HTTPMethod(method)
        table.method = table.store(method)
        return true
    }

    /// Sets the path with its query. Bytes that may not stand in a request line (controls, spaces, all from 0x7f) are
    /// percent-encoded.
    public func setPath(_ path: ByteView) {
        if PercentCoding.isTargetSafe(path) {
            table.path = table.store(path)
        } else {
            table.path = table.store(PercentCoding.targetSafe(path))
        }
    }

    /// Sets the authority, without the bytes that no authority can hold (controls, spaces, all from 0x7f).
    public func setAuthority(_ authority: ByteView) {
        if PercentCoding.isTargetSafe(authority) {
            table.authority = table.store(authority)
        } else {
            table.authority = table.store(authority.array.filter { $0 > 0x20 && $0 < 0x7f })
        }
    }

    /// Sets the scheme; false (and no change) when it is none (RFC 3986, section 3.1).
    @discardableResult
    public func setScheme(_ scheme: ByteView) -> Bool {
        guard scheme.isToken else { return false }
        table.scheme = table.store(scheme)
        return true
    }

    private var statusText: ByteView {
        if !table.statusText.isPresent {
            let digits = [100, 10, 1].map { UInt8(truncatingIfNeeded: 0x30 + table.status / $0 % 10) }
            table.statusText = table.store(digits)
        }
        return table.view(table.statusText)
    }
}

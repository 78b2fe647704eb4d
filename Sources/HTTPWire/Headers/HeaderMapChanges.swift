// Adding, replacing and removing the fields of a HeaderMap.
import Reactor

extension HeaderMap {
    /// Adds a field behind the others.
    public func append(_ name: HeaderName, _ value: ByteView) {
        guard table.hasRoom else { return }
        if name == .host && table.method.isPresent { return setAuthority(value) }
        let piece = storeClean(value)
        guard piece.isPresent else { return }
        table.forgetCombined()
        table.add(
            HeaderEntry(
                nameStart: HeaderEntry.staticName, valueStart: piece.start, valueCount: piece.count,
                nameCount: UInt16(truncatingIfNeeded: name.bytes.count), known: name.rawValue, mark: 0))
    }

    /// Adds a field behind the others.
    public func append(_ name: HeaderName, _ value: StaticString) { append(name, ByteView(value)) }

    /// Adds a field behind the others and keeps the case of `name`. Pseudo-headers are set. False when `name` is not
    /// legal; nothing is added then.
    @discardableResult
    public func append(name: ByteView, value: ByteView) -> Bool {
        if name.first == 0x3a { return setPseudo(name, value) }
        guard name.isToken && name.count <= Int(UInt16.max) && table.hasRoom else { return false }
        let (known, mark) = table.names.recognise(name, 0, name.count)
        if known == HeaderName.host.rawValue && table.method.isPresent {
            setAuthority(value)
            return true
        }
        let namePiece = table.store(name)
        let piece = storeClean(value)
        guard namePiece.isPresent && piece.isPresent else { return false }
        table.forgetCombined()
        table.add(
            HeaderEntry(
                nameStart: namePiece.start, valueStart: piece.start, valueCount: piece.count,
                nameCount: UInt16(truncatingIfNeeded: name.count), known: known, mark: mark))
        return true
    }

    /// Makes `value` the only value of `name`: in the place of the first one, or behind all fields.
    public func set(_ name: HeaderName, _ value: ByteView) {
        if name == .host && table.method.isPresent { return setAuthority(value) }
        let index = table.first(name)
        guard index >= 0 else { return append(name, value) }
        replace(at: index, value)
        guard table.hasSeveral(name) else { return }
        var other = table.next(known: name.rawValue, from: index &+ 1)
        while other >= 0 {
            table.remove(at: other)
            other = table.next(known: name.rawValue, from: other &+ 1)
        }
    }

    /// Makes `value` the only value of `name`.
    public func set(_ name: HeaderName, _ value: StaticString) { set(name, ByteView(value)) }

    /// Makes a decimal number the only value of `name`.
    public func set(_ name: HeaderName, decimal value: UInt64) {
        withDecimal(value) { set(name, $0) }
    }

    /// Makes `value` the only value of `key`: in the place and under the name of the first one, or behind all fields in
    /// the key's own spelling. Pseudo-headers are set.
    public func set(_ key: HeaderKey, _ value: ByteView) {
        if let pseudo = key.pseudo { return set(pseudo, value) }
        if let known = key.known, table.first(known) >= 0 { return set(known, value) }
        let index = table.next(key)
        guard index >= 0 else {
            append(name: key.name, value: value)
            return
        }
        replace(at: index, value)
        var other = table.next(key, from: index &+ 1)
        while other >= 0 {
            table.remove(at: other)
            other = table.next(key, from: other &+ 1)
        }
    }

    /// Makes `value` the only value under `name`. False when `name` is not legal; nothing is changed then.
    @discardableResult
    public func set(name: ByteView, value: ByteView) -> Bool {
        guard let key = HeaderKey(name) else { return false }
        set(key, value)
        return true
    }

    /// Adds a field behind the others, in the key's own spelling; pseudo-headers are set.
    public func append(_ key: HeaderKey, _ value: ByteView) {
        if let pseudo = key.pseudo { set(pseudo, value) } else { append(name: key.name, value: value) }
    }

    /// Removes all fields of `name`; `.host` in a request cannot be removed.
    public func remove(_ name: HeaderName) { table.removeAll(name) }

    /// Removes all fields of every name in `names`.
    public func remove(_ names: HeaderNameSet) { table.removeAll(names) }

    /// Removes all fields of `key`; pseudo-headers stay.
    public func remove(_ key: HeaderKey) {
        guard key.pseudo == nil else { return }
        if let known = key.known { return table.removeAll(known) }
        var index = table.next(key)
        while index >= 0 {
            table.remove(at: index)
            index = table.next(key, from: index &+ 1)
        }
    }

    /// Removes all fields under `name` in any case; pseudo-headers stay.
    public func remove(named name: ByteView) {
        guard name.isToken else { return }
        let (known, mark) = table.names.recognise(name, 0, name.count)
        if let known = HeaderName(rawValue: known) { return table.removeAll(known) }
        var index = table.next(unknown: name, mark: mark, from: 0)
        while index >= 0 {
            table.remove(at: index)
            index = table.next(unknown: name, mark: mark, from: index &+ 1)
        }
    }

    /// Removes every field for which `condition` is true. Do not change the map in `condition`.
    public func removeAll(where condition: (_ name: ByteView, _ value: ByteView) -> Bool) {
        var index = 0
        while index < table.entries.count {
            let entry = table.entries[index]
            if entry.isLive && condition(table.name(entry), table.value(entry)) { table.remove(at: index) }
            index &+= 1
        }
    }

    /// Sets a pseudo-header; a method or status that is none changes nothing.
    public func set(_ pseudo: HeaderKey.Pseudo, _ value: ByteView) {
        switch pseudo {
        case .method: setMethod(value)
        case .path: setPath(value)
        case .authority: setAuthority(value)
        case .scheme: setScheme(value)
        case .status:
            if let number = value.decimal, number >= 100 && number <= 999 { status = Int(number) }
        }
    }

    private func setPseudo(_ name: ByteView, _ value: ByteView) -> Bool {
        guard let pseudo = HeaderKey(name)?.pseudo else { return false }
        set(pseudo, value)
        return true
    }

    private func replace(at index: Int, _ value: ByteView) {
        if HeaderMap.isClean(value) {
            table.setValue(at: index, value)
        } else {
            HeaderMap.cleaned(value).withUnsafeBytes { table.setValue(at: index, ByteView($0)) }
        }
    }

    private func storeClean(_ value: ByteView) -> Piece {
        if HeaderMap.isClean(value) { return table.store(value) }
        return table.store(HeaderMap.cleaned(value))
    }

    /// True when a value holds neither CR nor LF nor NUL.
    static func isClean(_ value: ByteView) -> Bool {
        var index = value.firstMark(from: 0, unless: Words.isPrintable, Words.controls)
        if index &+ 8 <= value.count { return isCleanSlowly(value) }
        while index < value.count {
            let byte = value[index]
            if byte == 0x0d || byte == 0x0a || byte == 0 { return false }
            index &+= 1
        }
        return true
    }

    private static func isCleanSlowly(_ value: ByteView) -> Bool {
        !value.contains(0x0d) && !value.contains(0x0a) && !value.contains(0)
    }

    private static func cleaned(_ value: ByteView) -> [UInt8] {
        value.array.map { $0 == 0x0d || $0 == 0x0a || $0 == 0 ? 0x20 : $0 }
    }
}

extension HeaderTable {
    mutating func store(_ bytes: [UInt8]) -> Piece {
        bytes.withUnsafeBytes { store(ByteView($0)) }
    }
}

/// Runs `body` with the decimal digits of `value`, without allocating.
func withDecimal<Result>(_ value: UInt64, _ body: (ByteView) -> Result) -> Result {
    var digits = InlineArray<20, UInt8>(repeating: 0)
    var place = 20
    var rest = value
    repeat {
        place &-= 1
        digits[place] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
    } while rest > 0
    return digits.span.withUnsafeBytes { body(ByteView($0).dropFirst(place)) }
}

// Decoded fields into a header table: limits as they come, and the rules for a head as a whole.
import Reactor

/// What a section of decoded fields is.
enum HTTP2Section {
    case request
    case response
    case trailers
}

/// Takes the fields of one section. nghttp2 has checked each field by itself (RFC 9113, section 8.2) and the
/// pseudo-headers' order; here are limits and what goes beyond single fields.
struct HTTP2HeadReader {
    enum Verdict {
        case taken
        case dropped
        case tooLarge
        case tooMany
        case underscore
    }

    private let maxBytes: Int
    private let maxCount: Int
    private let underscores: UnderscoreAction
    private var count = 0
    private var bytes = 0
    /// `:protocol` of an extended CONNECT (RFC 8441).
    private var hasProtocol = false

    init(_ options: HTTP2Options) {
        maxBytes = options.limits.maxHeaderBytes
        maxCount = options.limits.maxHeaderCount
        underscores = options.underscores
    }

    mutating func begin() {
        count = 0
        bytes = 0
        hasProtocol = false
    }

    /// Adds one field. Names are lower-case tokens or pseudo-headers; values hold neither CR nor LF nor NUL.
    mutating func add(
        _ name: ByteView, _ value: ByteView, _ section: HTTP2Section, to table: inout HeaderTable
    ) -> Verdict {
        bytes &+= name.count &+ value.count
        if bytes > maxBytes { return .tooLarge }
        if name.first == 0x3a {
            addPseudo(name, value, &table)
            return .taken
        }
        count &+= 1
        if count > maxCount || !table.hasRoom { return .tooMany }
        if underscores != .allow && name.contains(0x5f) {
            return underscores == .rejectRequest ? .underscore : .dropped
        }
        let (known, mark) = table.names.recognise(name, 0, name.count)
        if section == .trailers && !HeaderTable.isAllowedInTrailers(known) { return .taken }
        if section == .request && known == HeaderName.host.rawValue && !table.authority.isPresent {
            table.authority = table.store(value)
            return .taken
        }
        let isKnown = known != HeaderNameIndex.unknown
        let nameStart = isKnown ? HeaderEntry.staticName : table.store(name).start
        let piece = table.store(value)
        table.add(
            HeaderEntry(
                nameStart: nameStart, valueStart: piece.start, valueCount: piece.count,
                nameCount: UInt16(truncatingIfNeeded: name.count), known: known, mark: mark))
        return .taken
    }

    private mutating func addPseudo(_ name: ByteView, _ value: ByteView, _ table: inout HeaderTable) {
        switch name.count {
        case 5: table.path = table.store(value)
        case 7 where name[1] == UInt8(ascii: "m"):
            table.methodKind = HTTPMethod(value)
            table.method = table.store(value)
        case 7 where name[2] == UInt8(ascii: "c"): table.scheme = table.store(value)
        case 7: table.status = Int(value.decimal ?? 0)
        case 10: table.authority = table.store(value)
        case 9:
            // The rest of the proxy knows upgrades in the form that they have on HTTP/1.
            hasProtocol = true
            let piece = table.store(value)
            table.add(
                HeaderEntry(
                    nameStart: HeaderEntry.staticName, valueStart: piece.start, valueCount: piece.count,
                    nameCount: 7, known: HeaderName.upgrade.rawValue, mark: 0))
        default: break
        }
    }

    /// What a complete request head breaks; nil when it is well-formed. Brings the head into the form that it has
    /// everywhere else: one Cookie field, and an extended CONNECT as the upgrade that it is.
    mutating func finishRequest(_ headers: HeaderMap) -> String? {
        if let failure = checkAuthority(headers) { return failure }
        if headers.methodKind != .connect || hasProtocol {
            let path = headers.path
            guard PercentCoding.isTargetSafe(path) else { return ":path \(HTTP1Failure.quote(path)) is malformed" }
            if path.contains(0x23) { return ":path \(HTTP1Failure.quote(path)) has a fragment" }
        }
        if headers.table.hasSeveral(.cookie), let cookies = headers.combinedValue(HeaderKey(.cookie)) {
            headers.set(.cookie, cookies)
        }
        if hasProtocol {
            headers.setMethod(ByteView("GET"))
            headers.append(.connection, "upgrade")
        }
        return nil
    }

    /// RFC 9113, section 8.3.1: Host may repeat the authority, but not name another.
    private func checkAuthority(_ headers: HeaderMap) -> String? {
        let authority = headers.authority
        guard AuthorityRules.isValid(authority) else {
            return ":authority \(HTTP1Failure.quote(authority)) is malformed"
        }
        if headers.methodKind == .connect && !hasProtocol && AuthorityRules.split(authority)?.port == nil {
            return "CONNECT authority \(HTTP1Failure.quote(authority)) is not host:port"
        }
        let index = headers.table.first(.host)
        guard index >= 0 else { return nil }
        let host = headers.table.value(headers.table.entries[index])
        guard !headers.table.hasSeveral(.host), host.equalsIgnoringCase(authority) else {
            return "host \(HTTP1Failure.quote(host)) is not :authority \(HTTP1Failure.quote(authority))"
        }
        headers.remove(.host)
        return nil
    }

    /// What a complete response head breaks.
    func finishResponse(_ headers: HeaderMap) -> String? {
        headers.status >= 100 && headers.status <= 599 ? nil : ":status \(headers.status) is none"
    }
}

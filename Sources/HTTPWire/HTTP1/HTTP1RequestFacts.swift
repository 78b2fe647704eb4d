// What a complete request head means: target, authority, framing, persistence.
import Reactor

/// The meaning of a request head, and the rules that a head must keep as a whole.
struct HTTP1RequestFacts {
    private(set) var framing = HTTP1Framing.none
    private(set) var keepAlive = true

    /// Reads the complete head in `table` and puts path, authority and scheme in place.
    mutating func read(
        _ table: inout HeaderTable, _ startLine: HTTP1StartLine, _ options: HTTP1Options
    ) -> HTTP1Failure? {
        if let failure = readHost(&table, startLine, options) { return failure }
        if let failure = readTarget(&table, startLine, options) { return failure }
        keepAlive = startLine.version != .http10
        if let failure = readFraming(&table, startLine, options) { return failure }
        if table.has(.connection) || table.has(.proxyConnection) {
            readConnection(table, startLine)
        }
        return nil
    }

    // MARK: Host and target

    private func readHost(
        _ table: inout HeaderTable, _ startLine: HTTP1StartLine, _ options: HTTP1Options
    ) -> HTTP1Failure? {
        if table.authority.isPresent {
            let host = table.view(table.authority)
            if AuthorityRules.isValid(host) { return nil }
            return HTTP1Failure(.invalidAuthority, "Host \(HTTP1Failure.quote(host)) is malformed")
        }
        if startLine.version == .http10, let host = options.defaultHost {
            table.authority = table.store(host.view)
            return nil
        }
        // HTTP/1.0 has no Host; an absolute target names the authority all the same.
        let first = table.view(startLine.target).first
        if startLine.version == .http10 && first != 0x2f && first != 0x2a { return nil }
        return HTTP1Failure(.missingHost, "request has no Host field")
    }

    private func readTarget(
        _ table: inout HeaderTable, _ startLine: HTTP1StartLine, _ options: HTTP1Options
    ) -> HTTP1Failure? {
        let target = table.view(startLine.target)
        if target.contains(0x23) {
            return HTTP1Failure(.fragmentInTarget, "target \(HTTP1Failure.quote(target)) has a fragment")
        }
        if table.methodKind == .connect {
            guard let parts = AuthorityRules.split(target), parts.port != nil, !parts.host.isEmpty else {
                return HTTP1Failure(
                    .invalidTarget, "CONNECT target \(HTTP1Failure.quote(target)) is not host:port")
            }
            table.authority = startLine.target
            return nil
        }
        if target.first == 0x2f {
            table.path = startLine.target
            return nil
        }
        if target.equals("*") && table.methodKind == .options {
            table.path = startLine.target
            return nil
        }
        return readAbsolute(&table, startLine.target, options)
    }

    /// `scheme "://" authority path-and-query`: the authority replaces that of Host (RFC 9112, section 3.2.2).
    @inline(never)
    private func readAbsolute(
        _ table: inout HeaderTable, _ piece: Piece, _ options: HTTP1Options
    ) -> HTTP1Failure? {
        let target = table.view(piece)
        let shown = HTTP1Failure.quote(target)
        guard let colon = target.firstIndex(of: 0x3a), target.dropFirst(colon).hasPrefix("://") else {
            return HTTP1Failure(.invalidTarget, "target \(shown) is neither a path nor an absolute URL")
        }
        guard options.allowAbsoluteURL else {
            return HTTP1Failure(
                .invalidTarget, "target \(shown) is absolute, and http_protocol_options.allow_absolute_url is false")
        }
        let scheme = target.prefix(colon)
        guard scheme.equalsIgnoringCase("http") || scheme.equalsIgnoringCase("https") else {
            return HTTP1Failure(.invalidScheme, "scheme \(HTTP1Failure.quote(scheme)) is neither http nor https")
        }
        let start = colon + 3
        var end = start
        while end < target.count && target[end] != 0x2f && target[end] != 0x3f { end += 1 }
        let authority = target.slice(start..<end)
        guard !authority.isEmpty, AuthorityRules.isValid(authority) else {
            return HTTP1Failure(.invalidAuthority, "authority of target \(shown) is malformed")
        }
        let begin = Int(piece.start)
        table.scheme = Piece(begin, colon)
        table.authority = Piece(begin + start, end - start)
        table.hostName = .absent
        if end == target.count {
            // RFC 9112, section 3.2.4: OPTIONS for the whole server.
            table.path = table.store(ByteView(table.methodKind == .options ? "*" : "/"))
        } else if target[end] == 0x2f {
            table.path = Piece(begin + end, target.count - end)
        } else {
            let path = ByteView("/").array + target.dropFirst(end).array
            table.path = table.store(path)
        }
        return nil
    }

    // MARK: Framing (RFC 9112, section 6.3)

    private mutating func readFraming(
        _ table: inout HeaderTable, _ startLine: HTTP1StartLine, _ options: HTTP1Options
    ) -> HTTP1Failure? {
        let hasLength = table.has(.contentLength)
        if table.has(.transferEncoding) {
            if hasLength {
                guard options.allowChunkedLength else { return HTTP1FramingRules.bothLengths }
                table.removeAll(.contentLength)
                keepAlive = false
            }
            if let failure = HTTP1FramingRules.transferEncoding(table, startLine.version) { return failure }
            if table.methodKind == .connect {
                return HTTP1Failure(.bodyForbidden, "CONNECT request has Transfer-Encoding")
            }
            framing = .chunked
            return nil
        }
        guard hasLength else { return nil }
        switch HTTP1FramingRules.contentLength(table) {
        case .failure(let failure): return failure
        case .success(let length):
            if table.methodKind == .connect {
                if length > 0 {
                    return HTTP1Failure(.bodyForbidden, "CONNECT request has a Content-Length of \(length)")
                }
                table.removeAll(.contentLength)
            }
            framing = length > 0 ? .length(length) : .none
            return nil
        }
    }

    private mutating func readConnection(_ table: borrowing HeaderTable, _ startLine: HTTP1StartLine) {
        if startLine.version != .http10 && table.saysKeepAliveAlone { return }
        let close = table.hasToken(.connection, "close") || table.hasToken(.proxyConnection, "close")
        if startLine.version == .http10 {
            keepAlive = !close && table.hasToken(.connection, "keep-alive")
        } else {
            keepAlive = keepAlive && !close
        }
    }
}

/// The rules of framing that requests and responses share.
enum HTTP1FramingRules {
    static var bothLengths: HTTP1Failure {
        HTTP1Failure(
            .contentLengthAndTransferEncoding,
            "message has both Content-Length and Transfer-Encoding, and http_protocol_options.allow_chunked_length is "
                + "false")
    }

    /// Anything but one Transfer-Encoding of exactly `chunked` is refused, and any at all below HTTP/1.1.
    static func transferEncoding(_ table: borrowing HeaderTable, _ version: HTTPVersion) -> HTTP1Failure? {
        let value = table.value(table.entries[table.first(.transferEncoding)])
        if table.hasSeveral(.transferEncoding) {
            return HTTP1Failure(.invalidTransferEncoding, "message has more than one Transfer-Encoding field")
        }
        guard value.equalsIgnoringCase("chunked") else {
            return HTTP1Failure(
                .invalidTransferEncoding, "Transfer-Encoding \(HTTP1Failure.quote(value)) is not chunked alone")
        }
        if version == .http10 {
            return HTTP1Failure(.invalidTransferEncoding, "HTTP/1.0 message has Transfer-Encoding")
        }
        return nil
    }

    /// The value of the one Content-Length. Repeated ones and lists are refused even when they agree.
    static func contentLength(_ table: borrowing HeaderTable) -> Result<UInt64, HTTP1Failure> {
        let value = table.value(table.entries[table.first(.contentLength)])
        if table.hasSeveral(.contentLength) {
            return .failure(HTTP1Failure(.invalidContentLength, "message has more than one Content-Length field"))
        }
        guard let length = value.decimal, length <= UInt64(Int.max) else {
            return .failure(
                HTTP1Failure(.invalidContentLength, "Content-Length \(HTTP1Failure.quote(value)) is no size in bytes"))
        }
        return .success(length)
    }
}

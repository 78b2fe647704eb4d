// Request lines and status lines (RFC 9112, sections 3 and 4).
import Reactor

/// What a start line said; the method, target and reason lie in the header table.
struct HTTP1StartLine {
    var version = HTTPVersion.http11
    /// The target as it came, relative to the arena; its form is looked at when the head is complete.
    var target = Piece.absent

    private static var http11: UInt64 { 0x312e_312f_5054_5448 }  // "HTTP/1.1"
    private static var httpSlash1Dot: UInt64 { 0x002e_312f_5054_5448 }  // "HTTP/1."
    private static var sevenBytes: UInt64 { 0x00ff_ffff_ffff_ffff }

    /// Parses `method SP target SP version CRLF` at `at`. Returns where the next line begins, or `at` when the line is
    /// incomplete or refused. `base` is the arena offset of the view's begin.
    mutating func readRequest(
        _ view: ByteView, _ at: Int, _ base: Int, _ options: HTTP1Options, _ table: inout HeaderTable
    ) -> Int {
        let token = ByteClass.token
        var place = at
        while place < view.count && token.contains(view[place]) { place &+= 1 }
        guard place < view.count, place > at, view[place] == 0x20 else { return at }
        let method = view.slice(at..<place)
        let targetStart = place &+ 1
        place = HTTP1StartLine.endOfTarget(view, targetStart)
        guard place &+ 11 <= view.count, place > targetStart, view[place] == 0x20, view[place &+ 9] == 0x0d,
            view[place &+ 10] == 0x0a
        else { return at }
        let word = view.word(at: place &+ 1)
        if word == HTTP1StartLine.http11 {
            version = .http11
        } else {
            guard let other = HTTP1StartLine.version(word) else { return at }
            guard other != .http10 || options.allowHTTP10 else { return at }
            version = other
        }
        let kind = HTTPMethod(method)
        guard kind != .other || options.allowCustomMethods else { return at }
        table.methodKind = kind
        table.method = Piece(base &+ at, method.count)
        target = Piece(base &+ targetStart, place &- targetStart)
        return place &+ 11
    }

    /// Parses `version SP 3DIGIT [SP reason] CRLF` at `at`. Returns where the next line begins, or `at`.
    mutating func readStatus(_ view: ByteView, _ at: Int, _ base: Int, _ table: inout HeaderTable) -> Int {
        guard at &+ 14 <= view.count, let found = HTTP1StartLine.version(view.word(at: at)), view[at &+ 8] == 0x20
        else { return at }
        var status = 0
        for place in (at &+ 9)..<(at &+ 12) {
            let digit = view[place] &- 0x30
            guard digit <= 9 else { return at }
            status = status &* 10 &+ Int(digit)
        }
        guard status >= 100 else { return at }
        var place = at &+ 12
        if view[place] == 0x20 {
            let start = place &+ 1
            place = HTTP1FieldLine.endOfValue(view, start)
            table.reason = Piece(base &+ start, place &- start)
        }
        guard place &+ 1 < view.count, view[place] == 0x0d, view[place &+ 1] == 0x0a else { return at }
        version = found
        table.status = status
        return place &+ 2
    }

    /// HTTP/1.x with x above 1 counts as 1.1 (RFC 9110, section 2.5); nil for all else.
    private static func version(_ word: UInt64) -> HTTPVersion? {
        guard word & sevenBytes == httpSlash1Dot else { return nil }
        switch UInt8(truncatingIfNeeded: word &>> 56) {
        case 0x30: return .http10
        case 0x31...0x39: return .http11
        default: return nil
        }
    }

    /// The first byte that no target may hold at or after `from`, or the end.
    @inline(__always)
    private static func endOfTarget(_ view: ByteView, _ from: Int) -> Int {
        var place = view.firstMark(from: from, unless: Words.isVisible, Words.outsideTarget)
        while place < view.count && view[place] &- 0x21 <= 0x5d { place &+= 1 }
        return place
    }

    // MARK: What went wrong

    /// For bytes that no start line begins with.
    func cannotBegin(_ view: ByteView, _ at: Int, _ section: HTTP1Section) -> HTTP1Failure {
        let byte = view[at]
        let seen = "0x" + HTTP1Failure.hex(byte)
        if section == .response {
            return HTTP1Failure(.malformedStatusLine, "response begins with byte \(seen) instead of HTTP/")
        }
        switch byte {
        case 0x16:
            return HTTP1Failure(.malformedRequestLine, "request begins with byte 0x16: TLS sent to a plain-text port")
        case 0x0d: return HTTP1Failure(.malformedRequestLine, "too many empty lines before the request line")
        case 0x0a: return HTTP1Failure(.bareLineEnding, "LF without CR before the request line")
        default: return HTTP1Failure(.malformedRequestLine, "request begins with byte \(seen)")
        }
    }

    /// What is wrong with a complete start line (its line feed included).
    func diagnose(_ line: ByteView, _ section: HTTP1Section, _ options: HTTP1Options) -> HTTP1Failure {
        let shown = HTTP1Failure.quote(line.dropLast(line.count > 1 && line[line.count &- 2] == 0x0d ? 2 : 1))
        for index in 0..<line.count {
            switch line[index] {
            case 0x0d where index == line.count &- 2: continue
            case 0x0d: return HTTP1Failure(.bareLineEnding, "CR without LF in start line \(shown)")
            case 0x0a where index == 0 || line[index &- 1] != 0x0d:
                return HTTP1Failure(.bareLineEnding, "LF without CR after start line \(shown)")
            case 0x00: return HTTP1Failure(.invalidCharacter, "illegal byte 0x00 in start line \(shown)")
            default: continue
            }
        }
        return section == .response ? diagnoseStatus(line, shown) : diagnoseRequest(line.dropLast(2), shown, options)
    }

    private func diagnoseStatus(_ line: ByteView, _ shown: String) -> HTTP1Failure {
        if line.count < 8 || HTTP1StartLine.version(line.word(at: 0)) == nil {
            return HTTP1Failure(.malformedStatusLine, "status line \(shown) has no version of HTTP/1")
        }
        return HTTP1Failure(.malformedStatusLine, "malformed status line \(shown)")
    }

    private func diagnoseRequest(_ line: ByteView, _ shown: String, _ options: HTTP1Options) -> HTTP1Failure {
        guard let first = line.firstIndex(of: 0x20) else {
            return HTTP1Failure(.malformedRequestLine, "request line \(shown) has no space")
        }
        let method = line.prefix(first)
        let rest = line.dropFirst(first &+ 1)
        guard method.isToken else {
            return HTTP1Failure(.malformedRequestLine, "method \(HTTP1Failure.quote(method)) is no token")
        }
        guard let second = rest.firstIndex(of: 0x20) else {
            if rest.first == 0x2f && PercentCoding.isTargetSafe(rest) {
                return HTTP1Failure(.lowVersion, "HTTP/0.9 is not served: \(shown)")
            }
            return HTTP1Failure(.malformedRequestLine, "request line \(shown) has no version")
        }
        let target = rest.prefix(second)
        let version = rest.dropFirst(second &+ 1)
        if target.isEmpty || version.contains(0x20) {
            return HTTP1Failure(
                .malformedRequestLine, "request line \(shown) is not method, target and version between single spaces")
        }
        if !PercentCoding.isTargetSafe(target) {
            return HTTP1Failure(.malformedRequestLine, "illegal byte in target \(HTTP1Failure.quote(target))")
        }
        if let failure = diagnoseVersion(version, options) { return failure }
        return HTTP1Failure(
            .unknownMethod,
            "method \(HTTP1Failure.quote(method)) is unknown, and http_protocol_options.allow_custom_methods is false")
    }

    private func diagnoseVersion(_ version: ByteView, _ options: HTTP1Options) -> HTTP1Failure? {
        let shown = HTTP1Failure.quote(version)
        guard version.count == 8, version.hasPrefix("HTTP/"), version[5] &- 0x30 <= 9, version[6] == 0x2e,
            version[7] &- 0x30 <= 9
        else { return HTTP1Failure(.malformedRequestLine, "malformed version \(shown)") }
        switch HTTP1StartLine.version(version.word(at: 0)) {
        case .http10 where !options.allowHTTP10:
            return HTTP1Failure(.lowVersion, "HTTP/1.0 is refused: http_protocol_options.accept_http_10 is false")
        case .http10, .http11, .http2: return nil
        case nil where version[5] == 0x30: return HTTP1Failure(.lowVersion, "version \(shown) is not served")
        case nil: return HTTP1Failure(.unsupportedVersion, "version \(shown) is not served in HTTP/1 messages")
        }
    }
}

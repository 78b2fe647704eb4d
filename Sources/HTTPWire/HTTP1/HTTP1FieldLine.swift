// One field line: `name ":" OWS value OWS CRLF` (RFC 9112, section 5).
import Reactor

/// Where the parts of a complete, well-formed field line lie. The name begins at the line's begin.
struct HTTP1FieldLine {
    /// Where the name ends; the line's begin for the empty line that ends the section.
    let nameEnd: Int
    let valueStart: Int
    let valueEnd: Int
    /// Behind the line's CRLF.
    let next: Int

    /// Parses the line at `at`; nil when it is incomplete or malformed (`diagnose` tells why).
    @inline(__always)
    init?(_ view: ByteView, _ at: Int) {
        let count = view.count
        var place = HTTP1FieldLine.endOfName(view, at)
        guard place < count else { return nil }
        nameEnd = place
        if place == at {
            guard view[place] == 0x0d, place &+ 1 < count, view[place &+ 1] == 0x0a else { return nil }
            valueStart = place
            valueEnd = place
            next = place &+ 2
            return
        }
        guard view[place] == 0x3a else { return nil }
        place &+= 1
        while place < count && HTTP1FieldLine.isBlank(view[place]) { place &+= 1 }
        valueStart = place
        place = HTTP1FieldLine.endOfValue(view, place)
        guard place &+ 1 < count, view[place] == 0x0d, view[place &+ 1] == 0x0a else { return nil }
        next = place &+ 2
        while place > valueStart && HTTP1FieldLine.isBlank(view[place &- 1]) { place &-= 1 }
        valueEnd = place
    }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// The first byte that no name may hold at or after `from`, or the end.
    @inline(__always)
    static func endOfName(_ view: ByteView, _ from: Int) -> Int {
        var place = view.firstMark(from: from, unless: { _ in false }, Words.outsideName)
        if place < view.count && view[place] == 0x3a { return place }
        let token = ByteClass.token
        while place < view.count && token.contains(view[place]) { place &+= 1 }
        return place
    }

    /// The first byte that no value may hold (CR among them) at or after `from`, or the end.
    @inline(__always)
    static func endOfValue(_ view: ByteView, _ from: Int) -> Int {
        var place = from
        while true {
            place = view.firstMark(from: place, unless: Words.isPrintable, Words.controls)
            while place < view.count && view[place] >= 0x20 && view[place] != 0x7f { place &+= 1 }
            guard place < view.count, view[place] == 0x09 else { return place }
            place &+= 1
        }
    }

    /// What is wrong with a complete line (its line feed included); nil when it is well-formed.
    static func diagnose(_ line: ByteView, _ section: HTTP1Section) -> HTTP1Failure? {
        if let first = line.first, isBlank(first) {
            return HTTP1Failure(.foldedField, "field line begins with a blank (obsolete line folding)")
        }
        var place = 0
        while place < line.count && ByteClass.token.contains(line[place]) { place &+= 1 }
        guard place < line.count, line[place] == 0x3a, place > 0 else { return badName(line, at: place) }
        let end = endOfValue(line, place &+ 1)
        guard end < line.count else { return nil }
        let name = HTTP1Failure.quote(line.prefix(place))
        switch line[end] {
        case 0x0d where end &+ 1 < line.count && line[end &+ 1] == 0x0a: return nil
        case 0x0d: return HTTP1Failure(.bareLineEnding, "CR without LF in field \(name)")
        case 0x0a: return HTTP1Failure(.bareLineEnding, "LF without CR after field \(name)")
        case let byte:
            return HTTP1Failure(
                .invalidCharacter, "illegal byte 0x\(HTTP1Failure.hex(byte)) in the value of field \(name)")
        }
    }

    private static func badName(_ line: ByteView, at place: Int) -> HTTP1Failure {
        let name = HTTP1Failure.quote(line.prefix(place))
        switch line[min(place, line.count &- 1)] {
        case 0x3a: return HTTP1Failure(.malformedField, "field line without a name")
        case 0x0a where place == 0: return HTTP1Failure(.bareLineEnding, "LF without CR behind the fields")
        case 0x0d where place == 0: return HTTP1Failure(.bareLineEnding, "CR without LF behind the fields")
        case 0x0a, 0x0d: return HTTP1Failure(.malformedField, "field line \(name) has no colon")
        case 0x20, 0x09: return HTTP1Failure(.malformedField, "blank after field name \(name)")
        case 0x00:
            return HTTP1Failure(.invalidCharacter, "illegal byte 0x00 in a field name")
        case let byte:
            return HTTP1Failure(
                .malformedField,
                "illegal byte 0x\(HTTP1Failure.hex(byte)) in field name \(HTTP1Failure.quote(line.prefix(place &+ 1)))")
        }
    }
}

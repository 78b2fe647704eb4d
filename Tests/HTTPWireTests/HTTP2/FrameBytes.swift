// Frames by hand, and the frames that a session sends, for HTTP/2 tests.
import Reactor

@testable import HTTPWire

/// A frame's bytes.
func frame(_ kind: HTTP2FrameHeader.Kind, _ flags: UInt8 = 0, stream: Int32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
    rawFrame(kind.rawValue, flags, stream, payload)
}

func rawFrame(_ kind: UInt8, _ flags: UInt8, _ stream: Int32, _ payload: [UInt8]) -> [UInt8] {
    let id = UInt32(bitPattern: stream)
    return [
        UInt8(payload.count >> 16), UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255), kind, flags,
        UInt8(id >> 24), UInt8(id >> 16 & 255), UInt8(id >> 8 & 255), UInt8(id & 255),
    ] + payload
}

func number(_ value: UInt32) -> [UInt8] {
    [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
}

enum Flag {
    static let end: UInt8 = 1
    static let ack: UInt8 = 1
    static let endHeaders: UInt8 = 4
    static let padded: UInt8 = 8
    static let priority: UInt8 = 32
}

/// A header block of literals that are not indexed and not compressed (RFC 7541, section 6.2.2).
func block(_ fields: (String, String)...) -> [UInt8] { block(fields) }

func block(_ fields: [(String, String)]) -> [UInt8] {
    fields.flatMap { name, value in [UInt8(0)] + literal(name) + literal(value) }
}

private func literal(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
    var length = [UInt8(127)]
    var rest = bytes.count - 127
    while rest >= 128 {
        length.append(UInt8(rest & 127 | 128))
        rest >>= 7
    }
    return length + [UInt8(rest)] + bytes
}

let getFields: [(String, String)] = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
let postFields: [(String, String)] = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")]

/// A HEADERS frame that ends its block.
func headers(_ stream: Int32, _ fields: [(String, String)], end: Bool = true) -> [UInt8] {
    frame(.headers, Flag.endHeaders | (end ? Flag.end : 0), stream: stream, block(fields))
}

func data(_ stream: Int32, _ text: String, end: Bool = false) -> [UInt8] {
    frame(.data, end ? Flag.end : 0, stream: stream, Array(text.utf8))
}

/// A frame that a session sent.
struct SentFrame: CustomStringConvertible {
    let kind: HTTP2FrameHeader.Kind?
    let flags: UInt8
    let stream: Int32
    let payload: [UInt8]

    func number(at place: Int) -> UInt32 {
        payload[place..<min(place + 4, payload.count)].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Of RST_STREAM and GOAWAY.
    var code: HTTP2ErrorCode? {
        switch kind {
        case .resetStream: HTTP2ErrorCode(rawValue: number(at: 0))
        case .goAway: HTTP2ErrorCode(rawValue: number(at: 4))
        default: nil
        }
    }

    var description: String {
        "\(kind.map { "\($0)" } ?? "unknown") stream \(stream) flags \(flags) \(payload.count) bytes"
            + (code.map { " \($0)" } ?? "")
    }

    static func parse(_ bytes: [UInt8]) -> [SentFrame] {
        var frames: [SentFrame] = []
        let preface = Array(HTTP2Session.preface.description.utf8)
        var place = bytes.starts(with: preface) ? preface.count : 0
        while place + 9 <= bytes.count {
            let length = Int(bytes[place]) << 16 | Int(bytes[place + 1]) << 8 | Int(bytes[place + 2])
            let id = bytes[(place + 5)..<(place + 9)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            frames.append(
                SentFrame(
                    kind: HTTP2FrameHeader.Kind(rawValue: bytes[place + 3]), flags: bytes[place + 4],
                    stream: Int32(bitPattern: id), payload: Array(bytes[(place + 9)..<(place + 9 + length)])))
            place += 9 + length
        }
        return frames
    }
}

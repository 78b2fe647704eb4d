// Fuzzes the small parsers: what is read of a connection's first bytes, of gRPC's frames, of PEM files and of formats.
//
// The first byte chooses the parser, the rest is its input. Nothing may crash; whoever looks at bytes that come bit by bit
// must say the same of a piece as of the whole, or ask for more.
import CFuzzer
import Glibc
import HTTPWire

@testable import DataPlane
@testable import Reactor

/// Stops the fuzzer with the input kept.
private func check(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}

/// What is said of each beginning is said of the whole, once it is no longer "more".
private func checkBeginnings<Look: Equatable>(_ bytes: [UInt8], more: Look, _ look: (ByteView) -> Look) {
    bytes.withUnsafeBytes { buffer in
        let all = ByteView(buffer)
        var said: Look?
        for count in 0...all.count where count < 300 || count == all.count {
            let now = look(all.prefix(count))
            if let said { check(now == said, "\(said) of fewer bytes, \(now) of \(count)") }
            if now != more { said = now }
        }
    }
}

/// PROXY protocol: the reasons of a malformed header may become more exact, but it stays one.
private func proxyHeader(_ bytes: [UInt8]) {
    checkBeginnings(bytes, more: 0) { view in
        switch ProxyProtocolHeader.look(at: view) {
        case .needMore: return 0
        case .absent: return 1
        case .malformed(_, let reason):
            check(!reason.isEmpty && !reason.contains("\n"), "no reason")
            return 2
        case .header(let header):
            check(header.length > 0 && header.length <= view.count, "a header of \(header.length) bytes")
            check(header.extensions.upperBound <= header.length, "extensions beyond the header")
            return 3 + header.length
        }
    }
}

/// gRPC's frames: cut anywhere they hold the same messages, and what counts them agrees with what reads them.
private func frames(_ bytes: [UInt8]) {
    let cut = Int(bytes.first ?? 1) + 1
    var whole = GRPCMessageReader(limit: 4096)
    var pieces = GRPCMessageReader(limit: 4096)
    var found: [[UInt8]] = []
    bytes.withUnsafeBytes { buffer in
        let all = ByteView(buffer)
        whole.feed(all)
        var rest = all
        while !rest.isEmpty {
            pieces.feed(rest.prefix(cut))
            rest = rest.dropFirst(min(cut, rest.count))
            while let message = pieces.next() { found.append(message) }
        }
    }
    var expected: [[UInt8]] = []
    while let message = whole.next() { expected.append(message) }
    check(found == expected, "\(found.count) messages in pieces, \(expected.count) in one")
    for message in found {
        var reader = ProtobufReader(message)
        while let field = reader.next() {
            guard case .bytes(let range) = field.value else { continue }
            check(range.upperBound <= message.count, "a field beyond its message")
        }
        let quota = RateLimitAnswer(message, namespace: "n")?.quotaFields.count ?? 0
        check(quota == 0 || quota == 3, "\(quota) of the three fields of a quota")
    }
}

private func format(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    do throws(FormatError) {
        try Formatter.check(text)
        _ = try Formatter(text)
    } catch {
        check(error.position >= 0 && error.position <= text.utf8.count, "\(error.position) in \(text.utf8.count) bytes")
        check(!error.message.isEmpty, "refused without a reason")
    }
}

func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: data, count: size))
    guard let kind = input.first else { return -1 }
    let bytes = Array(input.dropFirst())
    switch kind {
    case UInt8(ascii: "p"): proxyHeader(bytes)
    case UInt8(ascii: "t"): checkBeginnings(bytes, more: .needMore) { ClientHello.look(at: $0) }
    case UInt8(ascii: "h"): checkBeginnings(bytes, more: .needMore) { HTTPInspector.look(at: $0) }
    case UInt8(ascii: "g"): frames(bytes)
    case UInt8(ascii: "f"): format(bytes)
    default: return -1
    }
    return 0
}

var argumentCount = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(LLVMFuzzerRunDriver(&argumentCount, &arguments, fuzz))

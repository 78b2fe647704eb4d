// The answers of gRPC authorization services, good ones and all kinds of bytes.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct CheckResponseTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A `HeaderValueOption`.
    private func option(
        _ writer: inout ProtobufWriter, _ field: UInt32, _ name: String, _ value: String, append: Bool? = nil,
        action: UInt64 = 0
    ) {
        writer.append(field) { option in
            option.append(1) { header in
                header.append(1, name)
                header.append(2, value)
            }
            if let append { option.append(2) { $0.append(1, append ? 1 : 0) } }
            option.append(3, action)
        }
    }

    private func changes(_ fill: (inout ProtobufWriter) -> Void) throws -> AuthorizationChanges {
        var writer = ProtobufWriter()
        writer.append(3) { fill(&$0) }
        guard case .allowed(let changes) = CheckResponseReader.verdict(writer.bytes) else {
            throw CancellationError()
        }
        return changes
    }

    @Test func anEmptyAnswerLetsPass() {
        guard case .allowed(let changes) = CheckResponseReader.verdict([]) else {
            Issue.record("refused")
            return
        }
        #expect(changes == AuthorizationChanges())
    }

    /// Of requests only `append` counts, of responses the action too.
    @Test func fieldsAndWhatIsDoneWithThem() throws {
        let found = try changes { ok in
            option(&ok, 2, "a", "1")
            option(&ok, 2, "b", "2", append: true, action: 2)
            option(&ok, 2, "c", "3", append: false)
            option(&ok, 6, "d", "4")
            option(&ok, 6, "e", "5", action: 1)
            option(&ok, 6, "f", "6", action: 2)
            option(&ok, 6, "g", "7", action: 3)
            option(&ok, 6, "h", "8", append: false, action: 1)
            ok.append(5, "gone")
            ok.append(7) { query in
                query.append(1, "q")
                query.append(2, "v")
            }
            ok.append(8, "z")
        }
        #expect(found.request.map(\.action) == [.set, .appendIfExists, .set])
        #expect(found.response.map(\.action) == [.append, .addIfAbsent, .set, .setIfExists, .set])
        #expect(found.removed == [bytes("gone")] && found.parametersRemoved == [bytes("z")])
        #expect(found.parametersSet.map(\.name) == [bytes("q")])
    }

    @Test(arguments: [
        ("/p?a=1&b=2", "/p?b=2&q=9"), ("/p", "/p?q=9"), ("/p?q=1&q=2&c", "/p?c&q=9"), ("/p?a=1", "/p?q=9"),
    ])
    func parametersOfThePath(path: String, expected: String) {
        var changes = AuthorizationChanges()
        changes.parametersSet = [(bytes("q"), bytes("9"))]
        changes.parametersRemoved = [bytes("a")]
        let head = HeaderMap()
        FixedBytes(path).withView { head.setPath($0) }
        changes.apply(to: head)
        #expect(head.path.string == expected)
    }

    @Test func whatNobodyMayChange() {
        var changes = AuthorizationChanges()
        changes.request = [":scheme", ":status", "content-length", "transfer-encoding", "connection", "not a name", ""]
            .map {
                ServiceField(name: bytes($0), value: bytes("x"), action: .set)
            }
        changes.request.append(ServiceField(name: bytes(":method"), value: bytes("CONNECT"), action: .set))
        changes.removed = [":path", "host", "no name", ""].map(bytes)
        let head = HeaderMap()
        head.setMethod(ByteView("GET" as StaticString))
        head.setPath(ByteView("/" as StaticString))
        head.setAuthority(ByteView("a" as StaticString))
        changes.apply(to: head)
        #expect(head.method.string == "GET" && head.path.string == "/" && head.authority.string == "a" && head.isEmpty)
    }

    @Test(arguments: [(UInt64(0), nil), (404, 404), (99, nil), (600, nil), (.max, nil)] as [(UInt64, Int?)])
    func refusals(code: UInt64, status: Int?) {
        var writer = ProtobufWriter()
        writer.append(1) { $0.append(1, 7) }
        writer.append(2) { denied in
            denied.append(1) { $0.append(1, code) }
            denied.append(3, "no")
        }
        guard case .denied(let refusal) = CheckResponseReader.verdict(writer.bytes) else {
            Issue.record("no refusal")
            return
        }
        #expect(refusal == AuthorizationRefusal(status: status, body: bytes("no")))
    }

    /// Whatever a service sends: no trap, and what breaks off is no answer.
    @Test func anyBytesAreRead() {
        var random = FastRandom(seed: (1, 2, 3, 4))
        for _ in 0..<20_000 {
            let body = (0..<random.below(60)).map { _ in UInt8(truncatingIfNeeded: random.next() & 0x1f) }
            _ = CheckResponseReader.verdict(body)
        }
        var writer = ProtobufWriter()
        writer.append(3) { option(&$0, 2, "a", "1") }
        for count in 1..<writer.bytes.count {
            guard case .failed = CheckResponseReader.verdict(Array(writer.bytes.prefix(count))) else {
                Issue.record("\(count) bytes of \(writer.bytes.count) were taken for an answer")
                return
            }
        }
    }

    @Test(arguments: [0, 1, 127, 128, 300, 20_000])
    func messagesInMessages(length: Int) throws {
        var writer = ProtobufWriter()
        writer.append(5) { $0.append(3, String(repeating: "x", count: length)) }
        var reader = ProtobufReader(writer.bytes)
        let first = reader.next()
        let outer = try #require(first)
        guard outer.number == 5, case .bytes(let range) = outer.value else {
            Issue.record("\(outer)")
            return
        }
        #expect(reader.isAtEnd)
        var inner = ProtobufReader(Array(writer.bytes[range]))
        guard length > 0 else {
            #expect(inner.isAtEnd)
            return
        }
        guard case .bytes(let text)? = inner.next()?.value else {
            Issue.record("no text")
            return
        }
        #expect(text.count == length && inner.isAtEnd)
    }
}

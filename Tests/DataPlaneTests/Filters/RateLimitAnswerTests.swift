// The answers of rate limit services, good ones and all kinds of bytes; and what questions look like.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct RateLimitAnswerTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func read(_ bytes: [UInt8]) -> RateLimitAnswer? { RateLimitAnswer(bytes, namespace: "n") }

    private func answer(_ fill: (inout ProtobufWriter) -> Void) throws -> RateLimitAnswer {
        var writer = ProtobufWriter()
        fill(&writer)
        return try #require(read(writer.bytes))
    }

    private func status(
        _ writer: inout ProtobufWriter, code: UInt64 = 1, requests: UInt64? = nil, unit: UInt64 = 0, name: String = "",
        remaining: UInt64 = 0, reset: UInt64 = 0
    ) {
        writer.append(2) { status in
            status.append(1, code)
            if let requests {
                status.append(2) { limit in
                    limit.append(1, requests)
                    limit.append(2, unit)
                    limit.append(3, name)
                }
            }
            status.append(3, remaining)
            status.append(4) { $0.append(1, reset) }
        }
    }

    @Test func anEmptyAnswerLetsPass() {
        #expect(read([]) == RateLimitAnswer())
        #expect(read([])?.isOverLimit == false)
    }

    @Test(arguments: [(0, false), (1, false), (2, true), (3, false), (UInt64.max, false)])
    func onlyOneCodeIsOver(code: UInt64, isOver: Bool) throws {
        #expect(try answer { $0.append(1, code) }.isOverLimit == isOver)
    }

    @Test func allOfAnAnswer() throws {
        let found = try answer { writer in
            writer.append(1, 2)
            status(&writer, requests: 5, unit: 1)
            status(&writer, code: 2, requests: 10, unit: 2, name: "per-ip", reset: 7)
            writer.append(3) { header in
                header.append(1, "X-Told")
                header.append(2, "1")
            }
            for name in [":path", "Host", "x-asked"] {
                writer.append(4) { header in
                    header.append(1, name)
                    header.append(3, "raw")
                }
            }
            writer.append(5, "body")
            // What is not read here.
            writer.append(7, "quota")
        }
        #expect(found.isOverLimit && found.decider == 1 && found.body == bytes("body"))
        #expect(found.responseFields == [ServiceField(name: bytes("x-told"), value: bytes("1"), action: .append)])
        #expect(found.requestFields == [ServiceField(name: bytes("x-asked"), value: bytes("raw"), action: .append)])
        #expect(found.statuses[1].limit?.words == "10 a minute ('per-ip')" && found.statuses[1].resetSeconds == 7)
    }

    @Test func quotasAreOfTheClosestLimit() throws {
        func quota(_ fill: (inout ProtobufWriter) -> Void) throws -> [String] {
            try answer(fill).quotaFields.map { String(decoding: $0.value, as: UTF8.self) }
        }
        #expect(try quota { _ in }.isEmpty)
        #expect(try quota { status(&$0, remaining: 1) }.isEmpty)
        #expect(
            try quota {
                status(&$0, requests: 10, unit: 2, remaining: 5)
                status(&$0, remaining: 0)
                status(&$0, requests: 100, unit: 7, name: "w", remaining: 3, reset: 9)
                status(&$0, requests: 9, unit: 99, remaining: 3)
            } == ["100, 10;w=60, 100;w=604800;name=\"w\"", "3", "9"])
        let seconds: [UInt64] = [1, 60, 3600, 86_400, 2_592_000, 31_536_000, 604_800]
        for (unit, window) in zip(1..., seconds) {
            #expect(try quota { status(&$0, requests: 1, unit: UInt64(unit)) }.first == "1, 1;w=\(window)")
        }
        #expect(try quota { status(&$0, requests: 1, unit: .max, reset: .max) } == ["1", "0", "-1"])
    }

    /// Every prefix and every changed byte of a whole answer: nothing traps, whatever comes of it.
    @Test func bytesOfAllKinds() throws {
        var writer = ProtobufWriter()
        writer.append(1, 2)
        status(&writer, code: 2, requests: 10, unit: 2, name: "n", remaining: 5, reset: 7)
        for field: UInt32 in [3, 4] {
            writer.append(field) { header in
                header.append(1, "x")
                header.append(2, "y")
            }
        }
        writer.append(5, "body")
        let whole = writer.bytes
        #expect(read(whole) != nil)
        for count in whole.indices { _ = read(Array(whole.prefix(count))) }
        for index in whole.indices {
            for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff] {
                var changed = whole
                changed[index] = value
                _ = read(changed)?.quotaFields
            }
        }
        #expect(read(Array(whole.dropLast())) == nil)
        #expect(read([0x12, 0x02, 0x12, 0x7f]) == nil)
    }

    // MARK: - Questions

    @Test func aQuestion() {
        let descriptor = RequestDescriptor()
        var question = RateLimitQuestion()
        let domain = FixedBytes("shop")
        #expect(question.isEmpty)
        descriptor.append(key: ByteView("a"), value: ByteView("1"))
        descriptor.append(key: ByteView("b"), value: ByteView())
        question.add(descriptor, domain: domain)
        descriptor.removeAll()
        descriptor.append(key: ByteView("c"), value: ByteView("3"))
        question.add(descriptor, hits: 0, domain: domain)
        #expect(!question.isEmpty)
        #expect(
            question.bytes == bytes("\u{a}\u{4}shop")
                + bytes("\u{12}\u{d}\u{a}\u{6}\u{a}\u{1}a\u{12}\u{1}1\u{a}\u{3}\u{a}\u{1}b")
                + bytes("\u{12}\u{a}\u{a}\u{6}\u{a}\u{1}c\u{12}\u{1}3\u{1a}\u{0}"))
        #expect(RateLimitQuestion.descriptor(0, of: question.bytes) == "a=1, b=")
        #expect(RateLimitQuestion.descriptor(1, of: question.bytes) == "c=3")
        #expect(RateLimitQuestion.descriptor(2, of: question.bytes) == "")
        #expect(RateLimitQuestion.descriptor(0, of: [0x12, 0xff]) == "")
    }

    @Test func whoDecidedInWords() throws {
        let descriptor = RequestDescriptor()
        var question = RateLimitQuestion()
        descriptor.append(key: ByteView("a"), value: ByteView("1"))
        question.add(descriptor, domain: FixedBytes("shop"))
        let told = try answer { status(&$0, code: 2, requests: 3) }
        let only = try answer { $0.append(1, 2) }
        #expect(
            RateLimitDecision(told, domain: "shop", question.bytes).words
                == "rate limit domain 'shop', descriptor 'a=1', 3")
        #expect(
            RateLimitDecision(only, domain: "shop", question.bytes).words
                == "rate limit domain 'shop', descriptor 'a=1'")
        question.add(descriptor, domain: FixedBytes("shop"))
        // Two, and nobody tells which.
        #expect(RateLimitDecision(only, domain: "shop", question.bytes).words == "rate limit domain 'shop'")
        let beyond = try answer {
            for code: UInt64 in [1, 1, 1, 2] { status(&$0, code: code) }
        }
        #expect(RateLimitDecision(beyond, domain: "shop", question.bytes).words == "rate limit domain 'shop'")
    }
}

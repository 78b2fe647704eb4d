// Spans as bytes: OTLP, and Zipkin's JSON and protobuf.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct SpanEncodingTests {
    private func record(_ change: (SpanRecord) -> Void = { _ in }) -> SpanRecord {
        let record = SpanRecord()
        record.context = SpanContext(traceHigh: 0x01, traceLow: 0x02, span: 0x03, parent: 0x04, isSampled: true)
        record.start = WallTime(unixNanoseconds: 1_700_000_000_000_001_000)
        record.end = WallTime(unixNanoseconds: 1_700_000_000_000_005_000)
        record.setName { $0.append(literal: "ingress") }
        record.add("http.method", ByteView("GET" as StaticString))
        record.add("zone", ByteView())
        change(record)
        return record
    }

    /// The fields of a message, length-delimited ones as bytes.
    private func fields(_ bytes: [UInt8]) -> [(number: UInt64, bytes: [UInt8])] {
        var reader = ProtobufReader(bytes)
        var found: [(UInt64, [UInt8])] = []
        while !reader.isAtEnd {
            guard let (number, value) = reader.next() else {
                Issue.record("no message")
                return []
            }
            switch value {
            case .bytes(let range): found.append((number, Array(bytes[range])))
            case .varint(let value): found.append((number, [UInt8(truncatingIfNeeded: value)]))
            case .fixed(let range): found.append((number, Array(bytes[range])))
            }
        }
        return found
    }

    private func only(_ bytes: [UInt8], _ number: UInt64) -> [UInt8] {
        fields(bytes).first { $0.number == number }?.bytes ?? []
    }
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func otlp(_ records: SpanRecord...) -> [UInt8] {
        let encoder = OTLPEncoder(resource: [.init(key: "service.name", value: "shop")], version: "1")
        var batch = ByteArena()
        for record in records { encoder.append(record, to: &batch) }
        return encoder.message(batch.view)
    }

    @Test func anOTLPMessage() {
        let message = otlp(
            record {
                $0.setTraceState(ByteView("a=b" as StaticString))
                $0.add(event: "sent", at: WallTime(unixNanoseconds: 7))
                $0.isFailed = true
            }, record { $0.kind = .client })
        let resourceSpans = only(message, 1)
        let attribute = only(only(resourceSpans, 1), 1)
        #expect(text(only(attribute, 1)) == "service.name")
        #expect(text(only(only(attribute, 2), 1)) == "shop")
        let scopeSpans = only(resourceSpans, 2)
        #expect(text(only(only(scopeSpans, 1), 1)) == "outrider")
        let spans = fields(scopeSpans).filter { $0.number == 2 }.map(\.bytes)
        #expect(spans.count == 2)
        let span = fields(spans[0])
        #expect(span.map(\.number) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 11, 15])
        #expect(span[0].bytes == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2])
        #expect(span[1].bytes == [0, 0, 0, 0, 0, 0, 0, 3])
        #expect(text(span[2].bytes) == "a=b")
        #expect(span[5].bytes == [2])
        #expect(text(only(span[8].bytes, 1)) == "http.method")
        #expect(text(only(only(span[8].bytes, 2), 1)) == "GET")
        #expect(only(span[10].bytes, 1) == [7, 0, 0, 0, 0, 0, 0, 0])
        #expect(text(only(span[10].bytes, 2)) == "sent")
        #expect(only(span[11].bytes, 3) == [2])
        #expect(only(spans[1], 6) == [3])
    }

    @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, 70_000])
    func lengthsOfAllSizes(_ count: Int) throws {
        let value = [UInt8](repeating: 0x61, count: count)
        let message = otlp(record { record in value.withUnsafeBytes { record.add("long", ByteView($0)) } })
        let span = only(only(only(message, 1), 2), 2)
        let attributes = fields(span).filter { $0.number == 9 }.map(\.bytes)
        let last = try #require(attributes.last)
        #expect(only(only(last, 2), 1) == value)
    }

    private func zipkin(_ encoding: ZipkinSpec.Encoding, _ records: SpanRecord...) -> [UInt8] {
        let encoder = ZipkinEncoder(encoding, serviceName: "sh\"op", address: .v4(.loopback))
        var batch = ByteArena()
        for record in records { encoder.append(record, to: &batch) }
        return encoder.message(batch.view)
    }

    @Test func zipkinInJSON() {
        let first = record {
            $0.context = SpanContext(traceLow: 2, span: 3)
            $0.isShared = true
            $0.add(event: "sent", at: WallTime(unixNanoseconds: 7000))
            $0.add("a\"b", ByteView("c\\d" as StaticString))
        }
        let second = record {
            $0.kind = .client
            $0.end = $0.start
        }
        let expected =
            #"[{"traceId":"0000000000000002","id":"0000000000000003","kind":"SERVER","name":"ingress","#
            + #""timestamp":1700000000000001,"duration":4,"shared":true,"#
            + #""localEndpoint":{"serviceName":"sh\"op","ipv4":"127.0.0.1","port":0},"#
            + #""annotations":[{"timestamp":7,"value":"sent"},{"timestamp":1700000000000005,"value":"ss"}],"#
            + #""tags":{"http.method":"GET","a\"b":"c\\d"}},"#
            + #"{"traceId":"00000000000000010000000000000002","id":"0000000000000003","parentId":"0000000000000004","#
            + #""kind":"CLIENT","name":"ingress","timestamp":1700000000000001,"duration":1,"#
            + #""localEndpoint":{"serviceName":"sh\"op","ipv4":"127.0.0.1","port":0},"#
            + #""annotations":[{"timestamp":1700000000000001,"value":"cr"}],"tags":{"http.method":"GET"}}]"#
        #expect(text(zipkin(.json, first, second)) == expected)
    }

    @Test func zipkinInProtobuf() {
        let spans = fields(zipkin(.protobuf, record { $0.isShared = true }, record())).map(\.bytes)
        #expect(spans.count == 2)
        let span = fields(spans[0])
        #expect(span.map(\.number) == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13])
        #expect(span[0].bytes.count == 16)
        #expect(span[2].bytes == [0, 0, 0, 0, 0, 0, 0, 3])
        #expect(span[6].bytes == [4])
        #expect(only(span[7].bytes, 2) == [127, 0, 0, 1])
        #expect(text(only(span[9].bytes, 2)) == "GET")
    }

    @Test func aTagOfTheUsersTakesAnothersPlace() {
        let record = record {
            $0.set(ByteView("http.method" as StaticString), ByteView("mine" as StaticString))
            $0.set(ByteView("new" as StaticString), ByteView("1" as StaticString))
            $0.set(ByteView("none" as StaticString), ByteView())
        }
        #expect(record.tags.map { record.view($0.name).string } == ["http.method", "zone", "new"])
        #expect(record.tags.map { record.view($0.value).string } == ["mine", "", "1"])
        record.clear()
        #expect(record.tags.isEmpty && record.name.count == 0)
    }

    @Test func whatIsNoTextIsTakenForLatin1() {
        let odd: [UInt8] = [0x63, 0xe9, 0xff]
        let record = record { record in odd.withUnsafeBytes { record.add("odd", ByteView($0)) } }
        #expect(record.tags.last.map { record.view($0.value).string } == "c\u{e9}\u{ff}")
    }
}

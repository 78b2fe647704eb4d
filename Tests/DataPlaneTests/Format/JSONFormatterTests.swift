// JSON lines: what Envoy 1.40 wrote for the same objects.
import Reactor
import Testing

@testable import DataPlane

@Suite struct JSONFormatterTests {
    @Test func typesAreKept() throws {
        let stream = StreamFixture()
        stream.info.responseCode = 200
        let line = try stream.json(
            .object([
                ("z", .number(1.5)), ("b", .bool(true)), ("n", .null),
                (
                    "d",
                    .list([
                        .template("%PROTOCOL%"), .number(3),
                        .object([("z", .template("x")), ("a", .template("%TRACE_ID%"))]),
                    ])
                ),
                ("e", .object([("q", .template("%PROTOCOL%x%TRACE_ID%"))])), ("em", .template("")), ("h", .number(-5)),
                ("code", .template("%RESPONSE_CODE%")), ("text", .template("%RESPONSE_CODE% ")),
                ("flags", .template("%RESPONSE_FLAGS%")), ("port", .template("%UPSTREAM_LOCAL_PORT%")),
            ]))
        #expect(
            line == """
                {"z":1.5,"b":true,"n":null,"d":["HTTP/1.1",3,{"z":"x","a":null}],"e":{"q":"HTTP/1.1x-"},"em":"","h":-5,\
                "code":200,"text":"200 ","flags":"-","port":null}\n
                """)
    }

    @Test func keysAreSortedWhenAsked() throws {
        let stream = StreamFixture()
        let line = try stream.json(
            .object([("b", .object([("d", .number(1)), ("c", .number(2))])), ("a", .number(3)), ("B", .number(4))]),
            sortKeys: true)
        #expect(line == "{\"B\":4,\"a\":3,\"b\":{\"c\":2,\"d\":1}}\n")
    }

    @Test func unsetMembersAreOmittedWhenAsked() throws {
        let stream = StreamFixture(headers: [("x-empty", "")])
        let line = try stream.json(
            .object([
                ("a", .template("%TRACE_ID%")), ("b", .template("x%TRACE_ID%")),
                ("c", .object([("d", .template("%TRACE_ID%"))])), ("e", .list([.template("%TRACE_ID%"), .number(1)])),
                ("em", .template("")), ("n", .null), ("x", .template("%REQ(x-empty)%")),
                ("p", .template("%UPSTREAM_LOCAL_PORT%")), ("o", .object([])), ("l", .list([.object([]), .null])),
            ]), omitEmpty: true)
        #expect(line == "{\"b\":\"x\",\"e\":[1],\"em\":\"\",\"x\":\"\",\"l\":[]}\n")
        let nothing = try stream.json(.object([("a", .object([("b", .template("%TRACE_ID%"))]))]), omitEmpty: true)
        #expect(nothing == "{}\n")
    }

    @Test func stringsAreEscaped() throws {
        let stream = StreamFixture(headers: [("x", "a\"\\\tbé/<\u{7f}")])
        #expect(
            try stream.json(.object([("k\"ey\n\u{1}", .template("%REQ(x)%"))]))
                == "{\"k\\\"ey\\n\\u0001\":\"a\\\"\\\\\\tbé/<\u{7f}\"}\n")
    }

    @Test func bytesThatAreNoUTF8BecomeLatin1() throws {
        let cases: [([UInt8], String)] = [
            ([0xff, 0xfe, 0x3c, 0xc3, 0xa9], "\\u00ff\\u00fe<\\u00c3\\u00a9"), ([0x80], "\\u0080"), ([0xc3], "\\u00c3"),
            ([0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80], "€😀"), ([0xed, 0xa0, 0x80], "\\u00ed\\u00a0\\u0080"),
            ([0xc0, 0xaf], "\\u00c0\\u00af"), ([0xf4, 0x90, 0x80, 0x80], "\\u00f4\\u0090\\u0080\\u0080"),
        ]
        for (bytes, expected) in cases {
            let stream = StreamFixture()
            bytes.withUnsafeBytes { bytes in
                withView("x") { _ = stream.request.append(name: $0, value: ByteView(bytes)) }
            }
            #expect(try stream.json(.object([("a", .template("%REQ(x)%"))])) == "{\"a\":\"\(expected)\"}\n")
        }
    }
}

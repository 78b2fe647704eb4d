// Metadata in lines: what Envoy 1.40 printed for the same values.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

@Suite struct PlaceMetadataTests {
    private static let values = Metadata.made([
        ("empty", []),
        (
            "n",
            [
                ("a.b", .text("dot")), ("b", .bool(true)), ("es", .text("")), ("f", .number(1.5)),
                ("list", .list([.number(1), .text("a"), .object([("c", .text("d")), ("q", .null)]), .bool(false)])),
                ("neg", .number(-3)), ("nul", .null), ("num", .number(12)), ("q", .text("a\"b\n")),
                ("s", .text("text")),
                ("st", .object([("x", .text("é")), ("y", .object([("z", .text("q"))]))])),
            ]
        ),
    ])

    @Test func valuesAreTextsOrJSON() throws {
        let stream = StreamFixture()
        stream.info.routeMetadata = RouteMetadata(Self.values, nil)
        let cases = [
            "n:s": "text", "n:s):2": "te", "n:num": "12", "n:neg": "-3", "n:f": "1.5", "n:b": "true", "n:nul": "-",
            "n:es": "", "n:a.b": "dot", "n:q": "a\"b\n", "n:st": #"{"x":"é","y":{"z":"q"}}"#,
            "n:list": #"[1,"a",{"c":"d","q":null},false]"#, "n:st:y": #"{"z":"q"}"#, "n:st:y:z": "q",
            "n:st:y:z:more": "-", "n:list:0": "-", "n:no": "-", "n:": "-", "none": "-", "empty": "{}",
        ]
        for (path, expected) in cases {
            let template = path.contains(")") ? "%METADATA(ROUTE:\(path)%" : "%METADATA(ROUTE:\(path))%"
            #expect(try stream.format(template) == expected, "\(path)")
        }
        let whole = try stream.format("%METADATA(ROUTE:n)%")
        #expect(
            whole.hasPrefix(#"{"a.b":"dot","b":true,"es":"","f":1.5,"list":[1,"#) && whole.hasSuffix(#""z":"q"}}}"#))
        #expect(try stream.format("%METADATA(ROUTE)%") == "-")
        #expect(try stream.format("%METADATA(VIRTUAL_HOST:n:s)%") == "-")
        // Headers leave it out.
        #expect(try stream.format("[%METADATA(ROUTE:n:no)%]", omitEmpty: true) == "[]")
    }

    @Test func typesStayInJSON() throws {
        let stream = StreamFixture()
        stream.info.routeMetadata = RouteMetadata(Self.values, nil)
        let template = AccessLogFormatSpec.JSONTemplate.object([
            ("s", .template("%METADATA(ROUTE:n:s):2%")), ("num", .template("%METADATA(ROUTE:n:num)%")),
            ("st", .template("%METADATA(ROUTE:n:st):2%")), ("no", .template("%METADATA(ROUTE:n:no)%")),
            ("mixed", .template("x%METADATA(ROUTE:n:st:y)%")), ("nul", .template("%METADATA(ROUTE:n:nul)%")),
        ])
        #expect(
            try stream.json(template)
                == #"{"s":"te","num":12,"st":{"x":"é","y":{"z":"q"}},"no":null,"mixed":"x{\"z\":\"q\"}","nul":null}"#
                + "\n")
    }

    @Test func eachHasItsOwn() throws {
        func one(_ text: String) -> Metadata? { Metadata.made([("n", [("k", .text(text))])]) }
        let stream = StreamFixture()
        let downstream = DownstreamInfo(
            connectionID: 1, local: .v4(.loopback, port: 1), remote: .v4(.loopback, port: 2), accepted: .zero)
        downstream.chain = FilterChainFacts(name: "c", metadata: one("chain"), listenerMetadata: one("listener"))
        stream.info.downstream = downstream
        stream.info.routeMetadata = RouteMetadata(one("route"), one("virtual host"))
        stream.info.upstream.clusterMetadata = one("cluster")
        stream.info.upstream.host = Host(
            address: .v4(.loopback, port: 1), metadata: one("host"), state: HostState(flags: [], workers: 1))
        let cases = [
            "METADATA(LISTENER:n:k)": "listener", "METADATA(LISTENER_FILTER_CHAIN:n:k)": "chain",
            "METADATA(VIRTUAL_HOST:n:k)": "virtual host", "METADATA(ROUTE:n:k)": "route",
            "METADATA(CLUSTER:n:k)": "cluster", "CLUSTER_METADATA(n:k)": "cluster",
            "METADATA(UPSTREAM_HOST:n:k)": "host", "UPSTREAM_METADATA(n)": #"{"k":"host"}"#,
        ]
        for (name, expected) in cases { #expect(try stream.format("%\(name)%") == expected, "\(name)") }
        #expect(downstream.filterChainName == "c")
        stream.info.reset()
        for name in cases.keys { #expect(try stream.format("%\(name)%") == "-", "\(name)") }
    }

    @Test func formatsTellWhatTheyRead() throws {
        let read = try Formatter.check(
            "%UPSTREAM_METADATA(a:b)% %METADATA(ROUTE:c)% %METADATA(ROUTE:c:d)% %DYNAMIC_METADATA(e:f)%")
        #expect(read == [MetadataReference(.host, "a"), MetadataReference(.route, "c")])
    }

    /// Bytes that are no metadata are none.
    @Test func anyBytesAreRead() throws {
        let stream = StreamFixture()
        var random = FastRandom(seed: (1, 2, 3, 4))
        let whole = try #require(Self.values).bytes
        for _ in 0..<5_000 {
            var bytes = whole
            for _ in 0..<random.below(4) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.below(3) == 0 { bytes.removeLast(Int(random.below(UInt64(bytes.count)))) }
            stream.info.routeMetadata = RouteMetadata(Metadata.shared(bytes), nil)
            _ = try stream.format("%METADATA(ROUTE:n)% %METADATA(ROUTE:n:st:y)% %METADATA(ROUTE:n:list)%")
        }
    }
}

@Suite struct SharedMetadataTests {
    @Test func equalOnesAreOne() {
        let one = Metadata.labels(["shared": "1"])
        #expect(one === Metadata.labels(["shared": "1"]))
        #expect(one != Metadata.labels(["shared": "2"]))
        #expect(Metadata.made([]) == nil)
    }

    @Test func unusedOnesGo() {
        let kept = Metadata.labels(["kept": "1"])
        for number in 0..<5_000 { _ = Metadata.labels(["gone": "\(number)"]) }
        #expect(Metadata.sharedCount < 2_500)
        #expect(kept === Metadata.labels(["kept": "1"]))
    }
}

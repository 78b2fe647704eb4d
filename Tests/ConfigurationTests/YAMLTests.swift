// YAML and JSON: anchors, merge keys, bounds, and the overlay.
import EnvoyAPI
import Testing

@testable import Configuration

@Suite struct YAMLTests {
    @Test func anchorsAndMergeKeys() throws {
        let text = """
            static_resources:
              clusters:
              - &base {name: a, connect_timeout: &t 2s, alt_stat_name: x}
              - {<<: *base, name: b, dns_refresh_rate: *t}
              - {<<: [{alt_stat_name: y}, *base], name: c}
            """
        #expect(problems(text) == [])
        let clusters = try #require(read(text).message).staticResources.clusters
        #expect(clusters.map(\.name) == ["a", "b", "c"])
        #expect(clusters.map(\.altStatName) == ["x", "x", "y"])
        #expect(clusters.map(\.connectTimeout.seconds) == [2, 2, 2])
        #expect(clusters[1].dnsRefreshRate.seconds == 2)
    }

    @Test(arguments: [
        ("a: *x", "f:1:4: no anchor \"x\" stands before this alias"),
        ("a: &x [*x]", "f:1:8: no anchor \"x\" stands before this alias"),
        ("<<: 3", "f:1:5: a merge key takes a mapping, found \"3\""),
        ("? [a]\n: b", "f:1:3: a key must be plain text"),
        ("a: !!binary aGk=", "f:1:4: the tag \"tag:yaml.org,2002:binary\" is not supported"),
        ("node: {}\n---\nnode: {}", "f:2:1: a second document: one file holds one configuration"),
        (
            "a: [1, 2",
            "f:2:1: is not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence, line 1)"
        ),
        ("- a", "f:1:1: expected a mapping, found a list"),
        ("", "f:1:1: the text is empty"),
        ("node: {id: a, id: b}", "f:1:15: duplicate key \"id\" (first at line 1)"),
    ])
    func namesWhatIsWrong(text: String, expected: String) {
        #expect(problems(text).contains(expected))
    }

    @Test func aSeparatorAtTheEndIsNoSecondDocument() {
        #expect(problems("node: {id: a}\n---\n") == [])
    }

    @Test func badTextIsToldWithItsByte() {
        let report = ConfigurationReport(sources: ["f"])
        let text = Array("node: {id: ".utf8) + [0xFF, 0xFE] + Array("}".utf8)
        _ = YAMLReader.read(text, source: 0, report: report)
        #expect(
            report.errors.issues.map(\.description) == [
                "f:1:12: cannot be read as text: invalid leading UTF-8 octet at byte 11"
            ])
    }

    @Test func nestingIsBounded() {
        let deep = "a: " + String(repeating: "[", count: 5000)
        #expect(problems(deep) == ["f:1:103: more than 100 levels of nesting"])
    }

    @Test func aliasesCannotExplode() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
                + "]\n"
        }
        let found = problems(text)
        #expect(found.count == 1)
        #expect(found.first?.hasSuffix("more than 2000000 values, aliases written out") == true)
    }

    @Test func jsonIsReadTheSame() throws {
        let text = """
            {"node": {"id": "n\\u00e4\\n\\/", "cluster": "c"},
            \t"staticResources": {"clusters": [{"name": "a", "connectTimeout": "1s", "respectDnsTtl": true}]}}
            """
        #expect(problems(text) == [])
        let message = try #require(read(text).message)
        #expect(message.node.id == "nä\n/")
        #expect(message.staticResources.clusters.first?.respectDnsTtl == true)
    }

    @Test func surrogatePairsInJSON() throws {
        let message = try #require(read("{\"node\": {\"id\": \"\\ud83d\\ude00 x\", \"clster\": 1}}").message)
        #expect(message.node.id == "😀 x")
    }

    @Test func theOverlayIsLaidOverTheFile() throws {
        let file = """
            node: {id: file, cluster: c}
            admin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}
            static_resources:
              clusters:
              - {name: a, type: STATIC}
            """
        let overlay = """
            node: {id: over}
            admin: {address: {pipe: {path: /tmp/admin}}}
            staticResources: {clusters: [{name: b}]}
            """
        let (message, report) = read(file, overlay: overlay)
        #expect(report.errors.issues.isEmpty)
        let bootstrap = try #require(message)
        #expect(bootstrap.node.id == "over")
        #expect(bootstrap.node.cluster == "c")
        #expect(bootstrap.staticResources.clusters.map(\.name) == ["a", "b"])
        guard case .socketAddress? = bootstrap.admin.address.address else {
            #expect(bootstrap.admin.address.pipe.path == "/tmp/admin")
            return
        }
        Issue.record("the overlay's pipe did not replace the socket address")
    }

    @Test func problemsOfTheOverlayStandThere() {
        #expect(
            problems("node: {id: a}", overlay: "node: {idd: b}") == [
                "overlay:1:8: node.idd: unknown field; did you mean \"id\"?"
            ])
    }
}

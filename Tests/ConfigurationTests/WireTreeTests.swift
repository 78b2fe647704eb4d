// Protobuf's wire format as a tree: what text says and what bytes say is checked alike.
import EnvoyAPI
import SwiftProtobuf
import Testing

@testable import Configuration

@Suite struct WireTreeTests {
    /// What the compiler makes of a message's bytes, and what it finds wrong.
    private func compiled(
        _ bytes: [UInt8], as name: String, unknown: MessageCompiler.UnknownFields = .refused
    ) throws -> (bytes: [UInt8], report: ConfigurationReport) {
        let report = ConfigurationReport(sources: ["cds 'a'"])
        let index = try #require(schema.index(of: name))
        let tree = WireTree.read(bytes[...], as: index, source: 0, schema: schema, report: report)
        guard let tree else { return ([], report) }
        var compiler = MessageCompiler(schema: schema, support: SupportTables(), report: report)
        compiler.unknownFields = unknown
        return (compiler.message(tree, index, path: FieldPath(), slot: "", care: .acted).bytes, report)
    }

    private func problems(_ bytes: [UInt8], as name: String = clusterName) -> [String] {
        (try? compiled(bytes, as: name))?.report.errors.issues.map(\.description) ?? []
    }

    private static let clusterName = "envoy.config.cluster.v3.Cluster"

    private func bytes(_ message: some Message) throws -> [UInt8] { try message.serializedBytes() }

    @Test func textAndItsBytesMeanTheSame() throws {
        let texts = [
            http(
                hosts: """
                    {name: v, domains: ["*"], routes: [{match: {prefix: /, headers: [{name: a, range_match: {start: -5, end: 7}}]},
                      route: {cluster: a, timeout: 1.25s, retry_policy: {retry_on: 5xx, retriable_status_codes: [500, 503]}},
                      metadata: {filter_metadata: {x: {n: 1.5, s: "1", t: true, z: ~, l: [1, [a], {b: c}]}}}}]}
                    """,
                fields: "use_remote_address: true\nmax_request_headers_kb: 96"),
            cluster(
                """
                type: STATIC
                lb_policy: LEAST_REQUEST
                least_request_lb_config: {choice_count: 3, active_request_bias: {default_value: 0.3, runtime_key: k}}
                common_lb_config: {healthy_panic_threshold: {value: 12.5}}
                circuit_breakers: {thresholds: [{priority: HIGH, max_requests: 0}]}
                load_assignment:
                  cluster_name: a
                  endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: "::1", port_value: 80}}}}]}]
                """),
        ]
        for text in texts {
            let (message, report) = read(text)
            #expect(report.errors.issues.isEmpty)
            let bytes: [UInt8] = try #require(message).serializedBytes()
            let again = try compiled(bytes, as: BootstrapReader.messageName)
            #expect(again.report.errors.issues.isEmpty)
            #expect(again.bytes == bytes)
        }
    }

    @Test func orderIsNoMeaning() throws {
        let one = read(
            cluster("type: STATIC\nconnect_timeout: 2s\nmetadata: {filter_metadata: {a: {x: 1, y: 2}, b: {}}}"))
        let other = read(
            cluster("metadata: {filter_metadata: {b: {}, a: {y: 2, x: 1}}}\nconnect_timeout: {seconds: 2}\ntype: 0"))
        let message = try #require(one.message)
        #expect(message.isEqualTo(message: try #require(other.message)))
        #expect(!message.isEqualTo(message: Envoy_Config_Bootstrap_V3_Bootstrap()))
        #expect(!message.isEqualTo(message: message.staticResources))
        func first(_ message: Envoy_Config_Bootstrap_V3_Bootstrap?) throws -> [UInt8] {
            var order = BinaryEncodingOptions()
            order.useDeterministicOrdering = true
            return try #require(message).staticResources.clusters[0].serializedBytes(options: order)
        }
        let canonical = try first(one.message)
        // As a control plane in another language may write it: last field first, maps in any order, in two pieces.
        var shuffled = WireBuffer()
        shuffled.field(4, delimited: [0x08, 1])
        shuffled.field(25, delimited: metadata(["b": [], "a": [("y", 2), ("x", 1)]]))
        shuffled.field(4, delimited: [0x08, 2])
        shuffled.field(1, delimited: "other".utf8)
        shuffled.field(2, varint: 0)
        shuffled.field(1, delimited: "a".utf8)
        let made = try compiled(shuffled.bytes, as: Self.clusterName)
        #expect(made.report.errors.issues.isEmpty)
        #expect(made.bytes == canonical)
    }

    private func metadata(_ filters: KeyValuePairs<String, [(String, Double)]>) -> [UInt8] {
        var wire = WireBuffer()
        for (name, fields) in filters {
            var structure = WireBuffer()
            for (key, number) in fields {
                var value = WireBuffer()
                value.field(2, fixed64: number.bitPattern)
                var pair = WireBuffer()
                pair.field(2, delimited: value.bytes)
                pair.field(1, delimited: key.utf8)
                structure.field(1, delimited: pair.bytes)
            }
            var pair = WireBuffer()
            pair.field(1, delimited: name.utf8)
            pair.field(2, delimited: structure.bytes)
            wire.field(1, delimited: pair.bytes)
        }
        return wire.bytes
    }

    @Test func packedNumbersAreLists() throws {
        var policy = WireBuffer()
        policy.field(1, delimited: "retriable-status-codes".utf8)
        policy.field(7, delimited: [0xF4, 0x03, 0xF7, 0x03])
        policy.field(7, varint: 504)
        let made = try compiled(policy.bytes, as: "envoy.config.route.v3.RetryPolicy")
        #expect(made.report.errors.issues.isEmpty)
        let message = try Envoy_Config_Route_V3_RetryPolicy(serializedBytes: made.bytes)
        #expect(message.retriableStatusCodes == [500, 503, 504])
        #expect(
            problems([0x3A, 0x01, 0xF4], as: "envoy.config.route.v3.RetryPolicy").first?.contains("a packed list")
                == true)
    }

    @Test func lastMemberOfAOneofStays() throws {
        var source = WireBuffer()
        source.field(1, delimited: "file".utf8)
        source.field(3, delimited: "text".utf8)
        let made = try compiled(source.bytes, as: "envoy.config.core.v3.DataSource")
        #expect(try Envoy_Config_Core_V3_DataSource(serializedBytes: made.bytes).inlineString == "text")
    }

    @Test func problemsNameTheResourceAndTheField() throws {
        var message = Envoy_Config_Cluster_V3_Cluster()
        message.connectTimeout.nanos = -1
        message.upstreamBindConfig.sourceAddress = .with {
            $0.address = "0.0.0.0"
            $0.portValue = 0
            $0.protocol = .udp
        }
        let found = problems(try bytes(message))
        #expect(found.count == 3, "\(found)")
        #expect(found.contains("cds 'a': connect_timeout: is out of a duration's range"))
        #expect(found.contains("cds 'a': name: is required"))
        #expect(
            found.contains {
                $0.hasPrefix("cds 'a': upstream_bind_config.source_address.protocol: UDP is an Envoy value that")
            })
    }

    @Test func unknownFieldsHaveNumbers() throws {
        var wire = WireBuffer()
        wire.field(1, delimited: "a".utf8)
        wire.field(5000, varint: 1)
        // A known number of another kind is another field.
        wire.field(2, delimited: "x".utf8)
        #expect(
            problems(wire.bytes) == [
                "cds 'a': 2: unknown field of envoy.config.cluster.v3.Cluster",
                "cds 'a': 5000: unknown field of envoy.config.cluster.v3.Cluster",
            ])
        let taken = try compiled(wire.bytes, as: Self.clusterName, unknown: .taken)
        #expect(taken.report.errors.issues.isEmpty)
        #expect(taken.report.warnings.map(\.kind) == [.unknownField, .unknownField])
        let ignored = try compiled(wire.bytes, as: Self.clusterName, unknown: .ignored)
        #expect(ignored.report.warnings.isEmpty)
        #expect(taken.bytes == ignored.bytes)
        // A field that Envoy has and Outrider does not act on stays a problem.
        var known = WireBuffer()
        known.field(1, delimited: "a".utf8)
        known.field(50, delimited: "".utf8)
        let refused = try compiled(known.bytes, as: Self.clusterName, unknown: .taken)
        #expect(
            refused.report.errors.issues.map(\.description) == [
                "cds 'a': preconnect_policy: is an Envoy field that Outrider does not act on"
            ])
    }

    @Test func malformedBytes() throws {
        #expect(problems([0x0A]) == ["cds 'a': the bytes are no message of type envoy.config.cluster.v3.Cluster"])
        #expect(problems([0x0A, 0x02, 0xC3, 0x28]) == ["cds 'a': name: is no text: the bytes are not UTF-8"])
        #expect(problems([0x22, 0x01, 0x08]).first?.contains("connect_timeout: the bytes are no message") == true)
        #expect(problems([0x0B, 0x0C]).first?.contains("are no message") == true)
        // A group's end, a field 0, a varint without an end.
        for bytes in [[0x0C], [0x00], [UInt8](repeating: 0xFF, count: 20)] as [[UInt8]] {
            #expect(problems(bytes).count == 1)
        }
    }

    @Test func depthHasABound() throws {
        var predicate = WireBuffer()
        predicate.field(4, varint: 1)
        for _ in 0..<400 {
            var outer = WireBuffer()
            outer.field(3, delimited: predicate.bytes)
            predicate = outer
        }
        let found = problems(predicate.bytes, as: "envoy.config.listener.v3.ListenerFilterChainMatchPredicate")
        #expect(found.count == 1 && found[0].hasSuffix("messages are nested deeper than 100 levels"))
        var list = WireBuffer()
        for _ in 0..<400 {
            var value = WireBuffer()
            value.field(6, delimited: list.bytes)
            list = WireBuffer()
            list.field(1, delimited: value.bytes)
        }
        var value = WireBuffer()
        value.field(6, delimited: list.bytes)
        var pair = WireBuffer()
        pair.field(2, delimited: value.bytes)
        var structure = WireBuffer()
        structure.field(1, delimited: pair.bytes)
        var node = WireBuffer()
        node.field(3, delimited: structure.bytes)
        let deep = problems(node.bytes, as: "envoy.config.core.v3.Node")
        #expect(deep.count == 1 && deep[0].hasSuffix("values are nested deeper than 100 levels"))
    }

    @Test func piecesOfMessagesAreNotCopiedOnEachLevel() {
        // `not_rule`, 8, in two pieces on each of many levels: each merge would be a copy of all that is left.
        var innermost = WireBuffer()
        innermost.field(1000, delimited: [UInt8](repeating: 0x61, count: 100_000))
        var rule = innermost.bytes
        for _ in 0..<30 {
            var outer = WireBuffer()
            outer.field(8, delimited: [])
            outer.field(8, delimited: rule)
            rule = outer.bytes
        }
        let found = problems(rule, as: "envoy.config.rbac.v3.Permission")
        #expect(found.count == 1 && found[0].hasSuffix("the message is split into pieces on too many levels"))
    }

    @Test func numberOfValuesHasABound() throws {
        var wire = WireBuffer()
        let lists = [UInt8](repeating: 0, count: YAMLReader.maxNodes + 1)
        wire.field(7, delimited: lists)
        #expect(problems(wire.bytes, as: "envoy.config.route.v3.RetryPolicy").count == 1)
    }

    @Test func anyBytesAreAnswered() throws {
        var dice = Dice(state: 7)
        let message = try #require(read(http(route: "match: {prefix: /}, route: {cluster: a, timeout: 1s}")).message)
        let whole: [UInt8] = try message.serializedBytes()
        for _ in 0..<3000 {
            var changed = whole
            for _ in 0..<Int.random(in: 1...6, using: &dice) where !changed.isEmpty {
                let place = Int.random(in: changed.indices, using: &dice)
                switch Int.random(in: 0..<4, using: &dice) {
                case 0: changed[place] = UInt8.random(in: 0...255, using: &dice)
                case 1: changed.remove(at: place)
                case 2: changed.removeLast(Int.random(in: 0..<min(20, changed.count), using: &dice))
                default: changed.insert(UInt8.random(in: 0...255, using: &dice), at: place)
                }
            }
            let first = try compiled(changed, as: BootstrapReader.messageName, unknown: .ignored)
            // What is right stays as it is.
            guard !first.report.hasIssues else { continue }
            #expect(try compiled(first.bytes, as: BootstrapReader.messageName).bytes == first.bytes)
        }
    }
}

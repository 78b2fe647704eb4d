// The runtime keys that turn off what Outrider does beyond Envoy.
import DataPlane
import Reactor
import Testing

@testable import Configuration

struct RuntimeSwitchTests {
    private static func text(_ layer: String) -> String {
        let bootstrap = http(route: "match: {prefix: /}, route: {cluster: a}")
        return bootstrap + "\nlayered_runtime: {layers: [{name: s, static_layer: {\(layer)}}]}"
    }

    /// A cluster with TLS.
    private static func secured(_ layer: String) -> String {
        let context = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
        return """
            static_resources:
              clusters: [{name: a, transport_socket: {name: tls, typed_config: {"@type": \(context), sni: a}}}]
            layered_runtime: {layers: [{name: s, static_layer: {\(layer)}}]}
            """
    }

    private struct Settings: Equatable {
        var reuse = ConnectionReuseSpec()
        var detectsDeadPeers = true
        var refusesLoops = true
        var asksServers = true
        var keepsRetriesWithinDeadline = true
        var hasBudget = [true, true]
        var followsFiles = true
        var takesRecordsOver = true
        var followsKeySets = true

        init() {}

        init(_ layer: String) throws {
            let configuration = try loaded(RuntimeSwitchTests.text(layer))
            let spec = configuration.spec
            followsFiles = configuration.tlsSources.areFollowed
            followsKeySets = try RuntimeSwitchTests.followsKeySets(layer)
            let cluster = try #require(spec.clusters.first)
            reuse = cluster.reuse
            detectsDeadPeers = cluster.detectsDeadPeers
            refusesLoops = cluster.originalDestination.refusesLoops
            asksServers = spec.listeners.first?.serverFirst.asksServers ?? true
            hasBudget = [cluster.breakers.default.retryBudget != nil, cluster.breakers.high.retryBudget != nil]
            guard case .http(let manager)? = spec.listeners.first?.filterChains.first?.filter else { return }
            keepsRetriesWithinDeadline = manager.router.keepsRetriesWithinDeadline
            let secured = try loaded(RuntimeSwitchTests.secured(layer)).spec.clusters.first
            takesRecordsOver = try #require(secured?.tls).takesOverRecords
        }
    }

    /// Whether a listener's file of keys is followed.
    private static func followsKeySets(_ layer: String) throws -> Bool {
        let folder = try Folder.makeTemporary(prefix: "outrider-test")
        defer { try? Folder.remove(folder) }
        try FileContents.write(Array("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQ\"}]}".utf8), to: folder + "/keys")
        let filter =
            "{name: f, typed_config: {\"@type\": \(types).filters.http.jwt_authn.v3.JwtAuthentication, "
            + "providers: {p: {local_jwks: {filename: \(folder)/keys}}}}}"
        let listener = http(route: "match: {prefix: /}, route: {cluster: a}").replacing(
            "http_filters: [", with: "http_filters: [\(filter), ")
        let layers = "layered_runtime: {layers: [{name: l, static_layer: {\(layer)}}]}"
        return try !(loaded(listener + "\n" + layers).spec.listeners.first?.keySetFiles.isEmpty ?? true)
    }

    @Test func everythingIsOn() throws {
        #expect(try Settings("") == Settings())
        let all = RuntimeSwitch.allCases.map { "\($0.rawValue): true" }
        #expect(try Settings(all.joined(separator: ", ")) == Settings())
    }

    @Test(arguments: RuntimeSwitch.allCases)
    func eachIsOffAlone(feature: RuntimeSwitch) throws {
        var expected = Settings()
        switch feature {
        case .replaceStaleConnections: expected.reuse.replacesStaleConnections = false
        case .replayRefusedStreams: expected.reuse.replaysRefused = false
        case .peekBeforeReuse: expected.reuse.peeksFirst = false
        case .learnIdleTimeout: expected.reuse.learnsIdleTimeout = false
        case .detectDeadPeers: expected.detectsDeadPeers = false
        case .refuseLoops: expected.refusesLoops = false
        case .askServersThatSpeakFirst: expected.asksServers = false
        case .keepRetriesWithinDeadline: expected.keepsRetriesWithinDeadline = false
        case .defaultRetryBudget: expected.hasBudget = [false, false]
        case .reloadTLSFiles: expected.followsFiles = false
        case .takeOverTLSRecords: expected.takesRecordsOver = false
        case .reloadKeySets: expected.followsKeySets = false
        }
        #expect(try Settings("\(feature.rawValue): false") == expected)
        let text = feature == .takeOverTLSRecords ? Self.secured : Self.text
        let configuration = try loaded(text("\(feature.rawValue): false"))
        #expect(configuration.skipped == [])
    }

    @Test func keysMayBeNested() throws {
        var expected = Settings()
        expected.reuse.peeksFirst = false
        #expect(try Settings("outrider: {upstream: {peek_before_reuse: false}}") == expected)
    }

    @Test func aLimitIsAWholeNumber() throws {
        let key = RuntimeLimit.maxOriginalDestinationHosts.rawValue
        #expect(try loaded(Self.text("\(key): 7")).spec.clusters.first?.originalDestination.maxHosts == 7)
        #expect(try loaded(Self.text("\(key): 0")).skipped == [])
        for value in ["true", "-1", "1.5", "5000000000", "1e300"] {
            let problem = "must be a whole number from 0 to 4294967295; 0 is no limit"
            #expect(errors(Self.text("\(key): \(value)")).first?.hasSuffix(problem) == true)
        }
    }

    @Test func roomForWhatIsRecorded() throws {
        let (room, others) = (RuntimeRoom.explainKibibytes.rawValue, RuntimeRoom.explainOthers.rawValue)
        #expect(try loaded(Self.text("")).spec.explain == ExplainSpec())
        let spec = try loaded(Self.text("\(room): 64, \(others): 0")).spec.explain
        #expect(spec.maxBytes == 64 << 10 && spec.othersPerSecond == 0)
        #expect(try loaded(Self.text("\(room): 0")).spec.explain.maxBytes == 0)
        for value in ["true", "-1", "64.5", "63", "1048577", "1e300"] {
            let problem = "must be 0, which is nothing, or a whole number from 64 to 1048576"
            #expect(errors(Self.text("\(room): \(value)")).first?.hasSuffix(problem) == true)
        }
    }

    @Test(arguments: [("", TimeAmount.seconds(15)), ("7", .milliseconds(7)), ("0", nil)])
    func aHandshakeHasALimit(value: String, limit: TimeAmount?) throws {
        let key = RuntimeLimit.maxHandshakeMilliseconds.rawValue
        let chain = try loaded(Self.text(value.isEmpty ? "" : "\(key): \(value)")).spec.listeners.first?.filterChains
            .first
        #expect(try #require(chain).transportSocketConnectTimeout == limit)
    }

    @Test func aControlPlaneHasLimits() throws {
        let (size, count) = (RuntimeLimit.maxResponseMebibytes.rawValue, RuntimeLimit.maxResources.rawValue)
        #expect(try loaded(Self.text("")).spec.dynamic.limits == ControlPlaneLimitsSpec())
        let limits = try loaded(Self.text("\(size): 3, \(count): 9")).spec.dynamic.limits
        #expect(limits.maxResponseBytes == 3 << 20)
        #expect(limits.maxResources == 9)
        let none = try loaded(Self.text("\(size): 0, \(count): 0")).spec.dynamic.limits
        #expect(none.maxResponseBytes == 0)
        #expect(none.maxResources == 0)
        #expect(try loaded(Self.text("\(size): 4294967295")).spec.dynamic.limits.maxResponseBytes == 0)
    }

    @Test func keysOfTheAdminPort() throws {
        let keys = AdminKey.self
        let values = [
            "\(keys.statsAddress.rawValue): \"[::1]:9902\"", "\(keys.tokenFile.rawValue): /run/token",
            "\(keys.users.rawValue): \"0, 1337\"",
        ]
        let admin = "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}"
        let configuration = try loaded(Self.text(values.joined(separator: ", ")) + admin)
        #expect(configuration.spec.statsAddress == .v6(.loopback, scope: 0, port: 9902))
        #expect(configuration.spec.admin?.changes.tokenFile == "/run/token")
        #expect(configuration.spec.admin?.changes.users == [0, 1337])
        #expect(configuration.skipped == [])
        #expect(try loaded(Self.text("") + admin).spec.admin?.changes.isOpen == true)
        let path = try loaded(Self.text("\(keys.statsAddress.rawValue): /run/s, \(keys.users.rawValue): 7") + admin)
            .spec
        #expect(path.statsAddress == .unix(path: "/run/s") && path.admin?.changes.users == [7])
        let bad: [(AdminKey, [String])] = [
            (.statsAddress, ["9902", "\"localhost:1\"", "\"127.0.0.1\"", "true"]),
            (.tokenFile, ["token", "7", "true"]),
            (.users, ["-1", "1.5", "\"a\"", "\"1,\"", "true", "4294967296"]),
        ]
        for (key, values) in bad {
            for value in values {
                #expect(errors(Self.text("\(key.rawValue): \(value)")).first?.contains(" must be ") == true, "\(value)")
            }
        }
    }

    @Test func portsAreListed() throws {
        let key = RuntimePorts.serverFirst.rawValue
        let cases: [(String, Set<UInt16>)] = [("25", [25]), ("\"25, 3306\"", [25, 3306]), ("\"25,25\"", [25])]
        for (value, ports) in cases {
            let configuration = try loaded(Self.text("\(key): \(value)"))
            #expect(configuration.spec.listeners.first?.serverFirst.ports == ports)
            #expect(configuration.skipped == [])
        }
        for value in ["0", "65536", "1.5", "true", "\"25,\"", "\"-1\"", "\"a\""] {
            #expect(errors(Self.text("\(key): \(value)")).first?.hasSuffix("must be ports, as in \"25, 3306\"") == true)
        }
    }

    @Test func otherKeysAndValuesAreRefused() {
        let found = errors(
            Self.text("outrider.retry.default_budgte: false, outrider: {upstream: {detect_dead_peers: 7}}"))
        let layer = "layered_runtime.layers[0].static_layer"
        #expect(
            found == [
                "f:18:84: \(layer).outrider.retry.default_budgte: Outrider has no runtime key "
                    + "\"outrider.retry.default_budgte\"; did you mean \"outrider.retry.default_budget\"?",
                "f:18:132: \(layer).outrider.upstream.detect_dead_peers: must be true or false",
            ])
    }
}

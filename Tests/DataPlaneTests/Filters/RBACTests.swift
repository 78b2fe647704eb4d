// What policies match, and which of them decides.
import HTTPWire
import Matching
import Metrics
import Reactor
import Testing

@testable import DataPlane

struct RBACTests {
    private let request = HeaderMap()
    private let downstream: DownstreamInfo

    init() throws {
        let peer = try #require(SocketAddress(parsing: "10.0.0.9", port: 5000))
        let local = try #require(SocketAddress(parsing: "192.0.2.1", port: 443))
        downstream = DownstreamInfo(connectionID: 1, local: local, remote: peer, accepted: .zero)
        downstream.remoteAddress = try #require(SocketAddress(parsing: "172.16.0.1", port: 1))
        downstream.requestedServerName = "api.example.com"
        "/a/b?c=d#e".bytes { request.setPath($0) }
    }

    private func holds(_ spec: RBACConditionSpec, client: SocketAddress? = nil) -> Bool {
        RBACCondition(spec).holds(
            RBACQuestion(request: request, downstream: downstream, client: client ?? downstream.remoteAddress))
    }

    private func range(_ text: String) throws -> CIDRRange { try #require(CIDRRange(text)) }

    @Test func addressesAndPorts() throws {
        let (mine, peer, told) = (try range("192.0.2.0/24"), try range("10.0.0.0/8"), try range("198.51.100.0/24"))
        #expect(holds(.destinationIP(mine)) && !holds(.destinationIP(peer)))
        #expect(holds(.destinationPorts(start: 443, end: 444)) && !holds(.destinationPorts(start: 1, end: 443)))
        #expect(holds(.client(.direct, peer)) && !holds(.client(.connection, peer)))
        #expect(try holds(.client(.connection, range("172.16.0.0/12"))))
        let client = try #require(SocketAddress(parsing: "198.51.100.1", port: 0))
        #expect(holds(.client(.trusted, told), client: client) && !holds(.client(.trusted, told)))
        #expect(try !holds(.client(.direct, range("::/0"))))
    }

    @Test func unixSocketsHaveNeitherAddressNorPort() throws {
        let unix = SocketAddress.unix(path: "/run/app")
        let question = RBACQuestion(
            request: request,
            downstream: DownstreamInfo(connectionID: 1, local: unix, remote: unix, accepted: .zero), client: unix)
        #expect(!RBACCondition(.destinationPorts(start: 0, end: 65_536)).holds(question))
        #expect(try !RBACCondition(.client(.trusted, range("0.0.0.0/0"))).holds(question))
    }

    @Test func pathsAreWithoutTheirQuery() {
        #expect(holds(.urlPath(StringMatcher(.exact("/a/b")))) && !holds(.urlPath(StringMatcher(.contains("c=d")))))
        let none = RBACQuestion(request: HeaderMap(), downstream: downstream, client: downstream.remoteAddress)
        #expect(!RBACCondition(.urlPath(StringMatcher(.any))).holds(none))
    }

    @Test func conditionsAreJoined() {
        #expect(holds(.all([])) && !holds(.either([])))
        #expect(holds(.all([.always, .not(.either([]))])) && !holds(.all([.always, .not(.always)])))
        #expect(holds(.either([.not(.always), .always])) && !holds(.either([.not(.always)])))
        #expect(holds(.serverName(StringMatcher(.suffix(".example.com")))))
    }

    @Test func nobodyIsAuthenticatedWithoutTLS() {
        #expect(!holds(.authenticated(nil)) && !holds(.authenticated(StringMatcher(.any))))
    }

    @Test func theFirstByNameDecides() {
        func policy(_ name: String, _ condition: RBACConditionSpec) -> RBACPolicySpec {
            RBACPolicySpec(name: name, permissions: [.not(.always), condition], principals: [.always])
        }
        let policies = [policy("b", .always), policy("Z", .not(.always)), policy("a c", .always)]
        let notes = RBACNotes(RBACNotes.http, statPrefix: "", isShadow: false)
        let question = RBACQuestion(request: request, downstream: downstream, client: downstream.remoteAddress)
        for (action, isAllowed) in [(RBACRulesSpec.Action.allow, true), (.deny, false), (.log, true)] {
            let engine = RBACEngine(RBACRulesSpec(action: action, policies: policies), notes: notes, policyStats: nil)
            let verdict = engine.judge(question)
            #expect(verdict.policy == "a c" && verdict.isAllowed == isAllowed)
            #expect(verdict.details == "rbac_access_denied_matched_policy[a_c]")
            let none = RBACEngine(RBACRulesSpec(action: action, policies: []), notes: notes, policyStats: nil)
            #expect(none.judge(question).policy == nil)
            #expect(none.judge(question).isAllowed == (action != .allow))
        }
    }

    @Test func statsHaveOneDotBehindTheirPrefix() {
        let store = StatStore()
        let cells = store.makeCells()
        for prefix in ["own", "own."] {
            let stats = RBACStats(cells, prefix: "http.in.", rulesPrefix: prefix, shadowPrefix: prefix)
            stats.allowed.increment()
            stats.shadowDenied.increment()
            stats.policy("p").count(isAllowed: false)
        }
        let snapshot = store.snapshot()
        #expect(snapshot.value("http.in.rbac.own.allowed") == 2)
        #expect(snapshot.value("http.in.rbac.own.shadow_denied") == 2)
        #expect(snapshot.value("http.in.rbac.own.policy.p.denied") == 2)
    }
}

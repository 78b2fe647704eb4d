// gRPC on top of side calls: what goes out, and what is made of every kind of answer.
import HTTPWire
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

private final class Caller: GRPCSideCallOwner {
    private(set) var ends: [GRPCSideCallEnd] = []
    func grpcCallEnded(_ call: GRPCSideCall, _ end: GRPCSideCallEnd) { ends.append(end) }
}

struct GRPCSideCallTests {
    private let caller = Caller()
    private let loop: EventLoop
    private let cluster: ScriptedCluster
    private let store = StatStore()
    private let call: GRPCSideCall

    init() throws {
        loop = try EventLoop(clock: TestClock())
        cluster = ScriptedCluster("authz", loop, store.makeCells())
        call = GRPCSideCall(loop: loop)
    }

    private func start(_ message: [UInt8] = [8, 1]) throws -> ScriptedTry {
        let method = GRPCSideMethod(
            path: "/some.Service/Ask", authority: "authz", metadata: [("x-key", "1")],
            SideCallRules(timeout: .milliseconds(250), maxResponseBytes: 100))
        call.start(message, to: method, on: cluster, owner: caller)
        return try #require(cluster.last)
    }

    private func message(_ bytes: [UInt8]) -> String { String(decoding: GRPCMessageReader.frame(bytes), as: UTF8.self) }

    @Test func whatIsSent() throws {
        let asked = try start([1, 2, 3])
        #expect(asked.method == "POST")
        #expect(asked.path == "/some.Service/Ask")
        #expect(asked.authority == "authz")
        #expect(
            asked.fields == [
                "te: trailers", "grpc-timeout: 250m", "content-type: application/grpc", "x-key: 1",
            ])
        #expect(asked.body == "\u{0}\u{0}\u{0}\u{0}\u{3}\u{1}\u{2}\u{3}")
        #expect(asked.ended)
        call.cancel()
        #expect(asked.cancelled)
    }

    @Test func anAnswerWithTrailers() throws {
        let asked = try start()
        asked.answer(200, ["content-type: application/grpc"], message([10, 0]), end: false)
        #expect(caller.ends.isEmpty)
        asked.endWithTrailers("grpc-status", "0")
        #expect(caller.ends == [.answered([10, 0])])
        #expect(!call.isActive)
    }

    @Test func anEmptyMessageIsOne() throws {
        let asked = try start()
        asked.answer(200, ["content-type: application/grpc+proto"], message([]), end: false)
        asked.endWithTrailers("grpc-status", "0")
        #expect(caller.ends == [.answered([])])
    }

    @Test(
        arguments: [
            (
                ["content-type: application/grpc", "grpc-status: 7", "grpc-message: no%20way"], .permissionDenied,
                "grpc-status 7: no way"
            ),
            (["content-type: application/grpc", "grpc-status: 99"], .unknown, "grpc-status 99"),
            (["content-type: application/grpc", "grpc-status: 0"], .internal, "the answer has no message"),
            (["content-type: application/grpc"], .unknown, "the answer has no grpc-status"),
            (
                ["content-type: text/plain"], .unknown,
                "the answer is not gRPC: its content-type is not application/grpc"
            ),
        ] as [([String], GRPCRules.Status, String)])
    func answersWithoutTrailers(head: [String], status: GRPCRules.Status, reason: String) throws {
        try start().answer(200, head)
        #expect(caller.ends == [.failed(status, reason: reason)])
    }

    @Test(arguments: [
        (503, GRPCRules.Status.unavailable), (401, .unauthenticated), (404, .unimplemented), (500, .unknown),
    ])
    func otherStatuses(status: Int, expected: GRPCRules.Status) throws {
        try start().answer(status)
        #expect(caller.ends == [.failed(expected, reason: "HTTP status \(status)")])
    }

    @Test(arguments: ["\u{1}\u{0}\u{0}\u{0}\u{0}", "\u{0}\u{0}\u{0}\u{0}\u{9}abc", "\u{0}\u{0}"])
    func brokenFrames(body: String) throws {
        let asked = try start()
        asked.answer(200, ["content-type: application/grpc"], body, end: false)
        asked.endWithTrailers("grpc-status", "0")
        guard case .failed(.internal, _) = caller.ends.first else {
            Issue.record("\(caller.ends)")
            return
        }
    }

    @Test func aMessageMayBeAsLongAsTheLimit() throws {
        let longest = [UInt8](repeating: 7, count: 100)
        var asked = try start()
        asked.answer(200, ["content-type: application/grpc"], message(longest), end: false)
        asked.endWithTrailers("grpc-status", "0")
        #expect(caller.ends == [.answered(longest)])
        asked = try start()
        asked.answer(200, ["content-type: application/grpc"], message(longest + [1]), end: false)
        #expect(asked.cancelled)
        #expect(caller.ends.last == .failed(.unavailable, reason: "the answer's body is longer than 105 bytes"))
    }

    @Test func failuresHaveAStatusToo() throws {
        try start().reset(.connectionTermination)
        #expect(caller.ends == [.failed(.unavailable, reason: "connection termination")])
        call.start(
            [], to: GRPCSideMethod(path: "/a/b", authority: "", SideCallRules()), on: nil, owner: caller)
        loop.turnWhileBusy()
        #expect(caller.ends.last == .failed(.unavailable, reason: "the cluster does not exist"))
    }

    /// A gRPC answer is judged by its trailers.
    @Test(arguments: [("0", UInt64(1), UInt64(0)), ("13", 0, 1)])
    func hostsAreJudgedByTheStatus(status: String, successes: UInt64, errors: UInt64) throws {
        let asked = try start()
        asked.answer(200, ["content-type: application/grpc"], message([]), end: false)
        asked.endWithTrailers("grpc-status", status)
        let cells = cluster.cells(of: cluster.hosts[0])
        #expect(cells.successes == successes)
        #expect(cells.errors == errors)
    }

    /// Refused without being looked at: the request goes out once more.
    @Test func refusedStreamsAreReplayed() throws {
        let first = try start()
        first.reset(.remoteRefused)
        let second = try #require(cluster.last)
        #expect(second !== first)
        #expect(second.body == first.body)
        second.reset(.remoteRefused)
        #expect(cluster.tries.count == 2)
        #expect(caller.ends.count == 1)
    }
}

// `local_reply_config`: which mapper counts, and what is left of an answer.
import Reactor
import Testing

@testable import DataPlane

struct LocalReplyTests {
    /// A rig without routes: every request is answered 404 by the proxy itself.
    private static func rig(_ replies: LocalReplySpec) throws -> HTTPRig {
        let rules = try LocalReplyRules(replies, runtime: RuntimeSpec())
        return try HTTPRig(routes: [], localReplies: rules)
    }

    private static func mapper(_ status: UInt32) -> LocalReplySpec.Mapper {
        LocalReplySpec.Mapper(filter: .statusCode(AccessLogFilterSpec.Comparison(op: .equal, value: status)))
    }

    @Test func theFirstMapperThatMatchesCounts() throws {
        var replies = LocalReplySpec()
        var first = Self.mapper(404)
        first.status = 410
        first.body = Array("gone".utf8)
        first.headersToAdd = [HeaderAddSpec(name: "x-was", value: "%RESPONSE_CODE%")]
        var second = Self.mapper(410)
        second.status = 500
        var third = Self.mapper(404)
        third.status = 501
        replies.mappers = [Self.mapper(503), first, second, third]
        let rig = try Self.rig(replies)
        let exchange = rig.request()
        #expect(exchange.status == 410)
        #expect(exchange.body == "gone")
        #expect(exchange.value("content-type") == "text/plain")
        #expect(exchange.value("content-length") == "4")
        #expect(exchange.value("x-was") == "404")
        #expect(rig.stat("http.in.downstream_rq_4xx") == 1)
        #expect(rig.streams.first?.info.responseCode == 410)
    }

    @Test func formatsSeeTheBodyAndTheAnswer() throws {
        var replies = LocalReplySpec()
        replies.format = LocalReplySpec.BodyFormat(
            .text("<%RESPONSE_CODE% %REQ(:PATH)% %LOCAL_REPLY_BODY%>"), contentType: "text/html")
        var mapper = Self.mapper(404)
        mapper.body = Array("100%".utf8)
        replies.mappers = [mapper]
        let exchange = try Self.rig(replies).request("GET", "/p")
        #expect(exchange.body == "<404 /p 100%>")
        #expect(exchange.value("content-type") == "text/html")
    }

    @Test func aMapperMayHaveItsOwnFormat() throws {
        var replies = LocalReplySpec()
        replies.format = LocalReplySpec.BodyFormat(.text("general"), contentType: "text/plain")
        var mapper = Self.mapper(404)
        mapper.format = LocalReplySpec.BodyFormat(
            .json(.object([("code", .template("%RESPONSE_CODE%"))]), omitEmpty: false, sortKeys: false),
            contentType: "application/json")
        replies.mappers = [mapper]
        let rig = try Self.rig(replies)
        let exchange = rig.request()
        #expect(exchange.body == "{\"code\":404}\n")
        #expect(exchange.value("content-type") == "application/json")

        let call = rig.request("POST", "/s/m", ["content-type: application/grpc"])
        #expect(call.value("grpc-message") == "{\"code\":404}")
        #expect(call.value("content-type") == "application/grpc")
    }

    @Test func gRPCStatusFollowsTheMappedStatus() throws {
        var replies = LocalReplySpec()
        var mapper = Self.mapper(404)
        mapper.status = 403
        replies.mappers = [mapper]
        let call = try Self.rig(replies).request("POST", "/s/m", ["content-type: application/grpc"])
        #expect(call.status == 200)
        #expect(call.value("grpc-status") == "7")
    }
}

// `local_reply_config`: other statuses, headers and bodies for the answers that the proxy makes itself.
import HTTPWire
import Reactor

/// A compiled `LocalReplyConfig`. Compiled per worker; loop thread only. Envoy page: local reply modification.
public final class LocalReplyRules {
    private struct Mapper {
        let filter: AccessLogFilter
        let status: Int?
        let body: [UInt8]?
        let headers: HeaderMutations
        let format: BodyFormat?
    }

    private struct BodyFormat {
        let lines: LineFormat
        let contentType: String

        init(_ spec: LocalReplySpec.BodyFormat) throws(FormatError) {
            lines = try LineFormat(spec.format)
            contentType = spec.contentType
        }
    }

    private let mappers: [Mapper]
    private let format: BodyFormat?

    /// - Throws: for a format or header value that does not compile.
    public init(_ spec: LocalReplySpec, runtime: RuntimeSpec) throws(FormatError) {
        var mappers: [Mapper] = []
        for mapper in spec.mappers {
            mappers.append(
                Mapper(
                    filter: AccessLogFilter(mapper.filter, runtime: runtime), status: mapper.status, body: mapper.body,
                    headers: try HeaderMutations(add: mapper.headersToAdd, remove: []),
                    format: try LocalReplyRules.compiled(mapper.format)))
        }
        self.mappers = mappers
        format = try LocalReplyRules.compiled(spec.format)
    }

    private static func compiled(_ spec: LocalReplySpec.BodyFormat?) throws(FormatError) -> BodyFormat? {
        guard let spec else { return nil }
        return try BodyFormat(spec)
    }

    /// Changes `answer`, and adds fields to `headers`, which hold what the answer has so far.
    func apply(to answer: inout LocalReply, _ headers: HeaderMap, of stream: HTTPStream, isGRPC: Bool) {
        let info = stream.info
        info.responseCode = answer.status
        headers.status = answer.status
        var chosen = format
        if let mapper = mappers.first(where: { $0.filter.admits(stream.replyContext(headers, body: ByteView())) }) {
            if let body = mapper.body { answer.body = .array(body) }
            mapper.headers.apply(to: headers, stream.replyContext(headers, body: ByteView()))
            if let status = mapper.status {
                answer.status = status
                info.responseCode = status
                headers.status = status
            }
            if mapper.body != nil { answer.contentType = .replacing("text/plain") }
            chosen = mapper.format ?? chosen
        }
        guard let chosen else { return }
        var text = ByteArena()
        answer.body.withView { chosen.lines.append(to: &text, stream.replyContext(headers, body: $0)) }
        // The newline ends a JSON body; in a message it would stand as %0A.
        if isGRPC, case .json = chosen.lines { text.truncate(to: max(0, text.count - 1)) }
        answer.body = .array(text.view.array)
        answer.contentType = .replacing(chosen.contentType)
    }
}

extension HTTPStream {
    /// What the formats of a reply may draw from.
    fileprivate func replyContext(_ headers: HeaderMap, body: ByteView) -> FormatContext {
        FormatContext(
            info, request: hasHead ? requestHeaders : nil, response: headers, localReplyBody: body, now: loop.now,
            wallNow: loop.wallNow)
    }
}

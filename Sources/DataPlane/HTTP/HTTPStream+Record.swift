// What a request leaves behind in the flight recorder.
import HTTPWire
import Reactor

extension HTTPStream {
    /// Whether somebody may ask what became of the request: it failed, was answered by the proxy itself though no route
    /// says so, or took more than one try.
    var wentWrong: Bool {
        if !info.flags.isEmpty || info.responseCode >= 500 || info.responseCode == 0 || info.isGRPCFailure
            || !info.upstream.earlierTries.isEmpty
        {
            return true
        }
        guard let ownReply else { return false }
        return ownReply.details != CodeDetails.directResponse && !HTTPHealthCheck.isSuccess(ownReply.details)
    }

    /// What a line of the log ends with, so that a person can ask on; empty where nothing is recorded.
    var whereToAsk: String {
        guard recorder != nil, let id = requestHeaders.value(.xRequestID), id.isPlainWord else { return "" }
        return "; outrider explain \(id.string)"
    }

    /// Called at the stream's end, when all is still there.
    @inline(never)
    func record(on recorder: FlightRecorder) {
        recorder.begin(isRequest: true, isFailure: wentWrong)
        if hasHead {
            if let id = requestHeaders.value(.xRequestID) {
                recorder.add(.requestID, id, limit: FlightRecorder.idLimit)
            }
            recorder.add(.method, requestHeaders.method)
            recorder.add(.authority, requestHeaders.authority)
            recorder.add(.path, requestHeaders.value(.xEnvoyOriginalPath) ?? requestHeaders.path)
        }
        recorder.add(info)
        if let downstream = info.downstream {
            recorder.add(downstream, client: info.client, listener: core.listenerName)
        }
        if let version = info.httpVersion { recorder.add(.protocol, ByteView(version.text)) }
        recorder.add(.responseCode, UInt64(max(0, info.responseCode)))
        if let status = responseTrailers.value(.grpcStatus) ?? responseHeaders.value(.grpcStatus) {
            recorder.add(.grpcStatus, status)
        }
        if let ownReply {
            ownReply.body.withView { recorder.add(.reply, $0) }
            recorder.add(.decidedBy, ownReply.decidedBy)
        }
        let begin = info.marks.start
        recorder.add(.requestWhole, info.marks.requestEnd.map { $0 - begin })
        recorder.add(.connectionReady, info.marks.firstUpstreamSent.map { $0 - begin })
        recorder.add(.responseBegan, info.marks.firstDownstreamSent.map { $0 - begin })
        handler?.record(on: recorder)
        if let idleLimit { recorder.add(limit: idleSetting, idleLimit) }
        if let durationLimit { recorder.add(limit: durationSetting, durationLimit) }
        if let limit = core.spec.requestTimeout { recorder.add(limit: "request_timeout", limit) }
        if let limit = core.spec.requestHeadersTimeout { recorder.add(limit: "request_headers_timeout", limit) }
        recorder.end()
    }
}

extension ByteView {
    /// Short, and nothing in it that a shell or a terminal would act on.
    fileprivate var isPlainWord: Bool {
        count > 0 && count <= 64
            && string.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

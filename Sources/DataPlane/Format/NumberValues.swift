// Operators that are numbers: bytes, counts, durations, ports.
import HTTPWire
import Reactor

extension FormatContext {
    func value(_ number: NumberOperator) -> Int64? {
        switch number {
        case .zero: 0
        case .bytesReceived: Int64(clamping: info.bytesReceived)
        case .bytesSent: Int64(clamping: info.bytesSent)
        case .requestHeadersBytes: Int64(request?.byteSize ?? 0)
        case .responseHeadersBytes: Int64(response?.byteSize ?? 0)
        case .responseTrailersBytes: Int64(trailers?.byteSize ?? 0)
        case .upstreamWireSent: Int64(clamping: info.upstreamWire.sent)
        case .upstreamWireReceived: Int64(clamping: info.upstreamWire.received)
        case .upstreamHeadersSent: Int64(clamping: info.upstreamWire.headersSent)
        case .upstreamHeadersReceived: Int64(clamping: info.upstreamWire.headersReceived)
        case .downstreamWireSent: Int64(clamping: info.downstreamWire.sent)
        case .downstreamWireReceived: Int64(clamping: info.downstreamWire.received)
        case .downstreamHeadersSent: Int64(clamping: info.downstreamWire.headersSent)
        case .downstreamHeadersReceived: Int64(clamping: info.downstreamWire.headersReceived)
        case .responseCode: Int64(info.responseCode)
        case .attemptCount: Int64(info.upstream.attemptCount)
        case .connectionID: Int64(clamping: info.downstream?.connectionID ?? 0)
        case .upstreamConnectionID: Int64(clamping: info.upstream.connectionID)
        case .duration: ((info.marks.end ?? now) - info.marks.start).milliseconds
        case .requestDuration: sinceStart(info.marks.requestEnd)
        case .requestSentDuration: sinceStart(info.marks.lastUpstreamSent)
        case .responseDuration: sinceStart(info.marks.firstUpstreamReceived)
        case .responseSentDuration:
            milliseconds(from: info.marks.firstUpstreamReceived, to: info.marks.lastDownstreamSent)
        case .handshakeDuration: milliseconds(from: info.downstream?.accepted, to: info.downstream?.handshakeDone)
        case .poolReadyDuration: info.upstream.poolReady?.milliseconds
        }
    }

    private func sinceStart(_ end: MonotonicTime?) -> Int64? { milliseconds(from: info.marks.start, to: end) }

    private func milliseconds(from start: MonotonicTime?, to end: MonotonicTime?) -> Int64? {
        guard let start, let end else { return nil }
        return (end - start).milliseconds
    }

    /// nil when one of the points was not reached, or when they are in the wrong order.
    func duration(_ start: TimePoint, _ end: TimePoint, _ unit: DurationUnit) -> Int64? {
        guard let start = time(start), let end = time(end), end >= start else { return nil }
        let amount = end - start
        return switch unit {
        case .milliseconds: amount.milliseconds
        case .microseconds: amount.microseconds
        case .nanoseconds: amount.nanoseconds
        }
    }

    private func time(_ point: TimePoint) -> MonotonicTime? {
        switch point {
        case .downstreamConnectionBegin: info.downstream?.accepted
        case .downstreamConnectionEnd: info.httpVersion == nil ? info.marks.end : nil
        case .downstreamReceiveBegin: info.marks.start
        case .downstreamReceiveEnd: info.marks.requestEnd
        case .upstreamConnectBegin: info.upstream.connectStart
        case .upstreamConnectEnd: info.upstream.connectEnd
        case .upstreamHandshakeEnd: info.upstream.handshakeEnd
        case .upstreamSendBegin: info.marks.firstUpstreamSent
        case .upstreamSendEnd: info.marks.lastUpstreamSent
        case .upstreamReceiveBegin: info.marks.firstUpstreamReceived
        case .upstreamBodyBegin: info.marks.firstUpstreamBodyReceived
        case .upstreamReceiveEnd: info.marks.lastUpstreamReceived
        case .downstreamSendBegin: info.marks.firstDownstreamSent
        case .downstreamSendEnd: info.marks.lastDownstreamSent
        }
    }

    func time(_ source: TimeSource) -> WallTime? {
        func seconds(_ unix: Int64?) -> WallTime? {
            unix.map { WallTime(unixNanoseconds: TimeAmount.seconds($0).nanoseconds) }
        }
        return switch source {
        case .start: info.startWall
        case .emit: wallNow
        case .downstreamNotBefore: seconds(info.downstream?.tls?.peer?.notBefore)
        case .downstreamNotAfter: seconds(info.downstream?.tls?.peer?.notAfter)
        case .upstreamNotBefore: seconds(info.upstream.tls?.peer?.notBefore)
        case .upstreamNotAfter: seconds(info.upstream.tls?.peer?.notAfter)
        }
    }

    func address(_ source: AddressSource) -> SocketAddress? {
        switch source {
        case .downstreamLocal: info.downstream?.localAddress
        case .downstreamDirectLocal: info.downstream?.directLocalAddress
        case .downstreamRemote: info.client ?? info.downstream?.remoteAddress
        case .downstreamDirectRemote: info.downstream?.directRemoteAddress
        case .upstreamHost: info.upstream.host?.address
        case .upstreamLocal: info.upstream.localAddress
        case .upstreamRemote: info.upstream.remoteAddress
        }
    }

    func port(_ source: AddressSource) -> Int64? {
        guard let address = address(source), !address.isUnix else { return nil }
        return Int64(address.port)
    }
}

extension FormatContext {
    /// `grpc-status` of a gRPC request: from the trailers, the head, or worked out from the HTTP status.
    var grpcStatus: Int? {
        guard let request, GRPCRules.isRequest(request) else { return nil }
        if let status = trailers.flatMap(GRPCRules.status) ?? response.flatMap(GRPCRules.status) { return status }
        return info.responseCode == 0 ? nil : GRPCRules.Status(http: info.responseCode).rawValue
    }

    func append(_ form: GRPCStatusForm, to sink: inout ByteArena) -> Bool {
        guard let status = grpcStatus else { return false }
        if form != .number, let name = GRPCStatusName.name(status, snake: form == .snake) {
            sink.append(literal: name)
        } else {
            sink.append(decimal: Int64(status))
        }
        return true
    }
}

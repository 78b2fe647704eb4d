// Spans as Zipkin has them: version 2, in JSON or protobuf.
import HTTPWire
import Reactor

/// Writes lists of spans. One a tracer and worker. Zipkin page: "Zipkin API v2", `zipkin.proto`.
final class ZipkinEncoder {
    private let encoding: ZipkinSpec.Encoding
    /// `localEndpoint`, which is the same in every span.
    private let endpoint: FixedBytes
    @exclusivity(unchecked) private var span = ByteArena()
    @exclusivity(unchecked) private var part = ByteArena()

    init(_ encoding: ZipkinSpec.Encoding, serviceName: String, address: IPAddress) {
        self.encoding = encoding
        var endpoint = ByteArena()
        let isV4 = if case .v4 = address { true } else { false }
        switch encoding {
        case .json:
            endpoint.append(literal: "\"localEndpoint\":{\"serviceName\":")
            endpoint.append(jsonString: serviceName)
            endpoint.append(literal: isV4 ? ",\"ipv4\":\"" : ",\"ipv6\":\"")
            endpoint.append(address)
            endpoint.append(literal: "\",\"port\":0}")
        case .protobuf:
            FixedBytes(serviceName).withView { endpoint.append(field: 1, $0) }
            FixedBytes(address.bytes).withView { endpoint.append(field: isV4 ? 2 : 3, $0) }
        }
        self.endpoint = FixedBytes(endpoint.view)
    }

    func append(_ record: SpanRecord, to batch: inout ByteArena) {
        switch encoding {
        case .json: appendJSON(record, to: &batch)
        case .protobuf: appendMessage(record, to: &batch)
        }
    }

    var contentType: StaticString {
        switch encoding {
        case .json: "application/json"
        case .protobuf: "application/x-protobuf"
        }
    }

    /// What is sent.
    func message(_ spans: ByteView) -> [UInt8] {
        guard encoding == .json else { return spans.array }
        var message: [UInt8] = [UInt8(ascii: "[")]
        message.reserveCapacity(spans.count + 2)
        message.append(contentsOf: spans.unsafeBytes)
        message.append(UInt8(ascii: "]"))
        return message
    }

    /// What ends a client's or a server's span is an event of the end, as Envoy has it.
    private func lastEvent(_ record: SpanRecord) -> StaticString { record.kind == .client ? "cr" : "ss" }

    // MARK: - JSON

    private func appendJSON(_ record: SpanRecord, to batch: inout ByteArena) {
        if batch.count > 0 { batch.append(byte: UInt8(ascii: ",")) }
        batch.append(literal: "{\"traceId\":\"")
        batch.append(traceOf: record.context, isShort: true)
        batch.append(literal: "\",\"id\":\"")
        batch.append(hex: record.context.span)
        if record.context.parent != 0 {
            batch.append(literal: "\",\"parentId\":\"")
            batch.append(hex: record.context.parent)
        }
        batch.append(
            literal: record.kind == .client ? "\",\"kind\":\"CLIENT\",\"name\":" : "\",\"kind\":\"SERVER\",\"name\":")
        batch.append(jsonString: record.view(record.name))
        batch.append(literal: ",\"timestamp\":")
        batch.append(decimal: record.start.unixMicroseconds)
        batch.append(literal: ",\"duration\":")
        batch.append(decimal: record.durationMicroseconds)
        batch.append(literal: record.isShared ? ",\"shared\":true," : ",")
        batch.append(endpoint.view)
        batch.append(literal: ",\"annotations\":[")
        for event in record.events {
            appendJSON(event: event.name, event.time, to: &batch)
            batch.append(byte: UInt8(ascii: ","))
        }
        appendJSON(event: lastEvent(record), record.end, to: &batch)
        batch.append(literal: "],\"tags\":{")
        var isFirst = true
        for tag in record.tags where tag.value.count > 0 {
            if !isFirst { batch.append(byte: UInt8(ascii: ",")) }
            isFirst = false
            batch.append(jsonString: record.view(tag.name))
            batch.append(byte: UInt8(ascii: ":"))
            batch.append(jsonString: record.view(tag.value))
        }
        batch.append(literal: "}}")
    }

    private func appendJSON(event name: StaticString, _ time: WallTime, to batch: inout ByteArena) {
        batch.append(literal: "{\"timestamp\":")
        batch.append(decimal: time.unixMicroseconds)
        batch.append(literal: ",\"value\":\"")
        batch.append(literal: name)
        batch.append(literal: "\"}")
    }

    // MARK: - Protobuf

    private func appendMessage(_ record: SpanRecord, to batch: inout ByteArena) {
        span.removeAll()
        let isLong = record.context.traceHigh != 0
        span.append(field: 1, length: isLong ? 16 : 8)
        if isLong { span.append(bigEndian: record.context.traceHigh) }
        span.append(bigEndian: record.context.traceLow)
        if record.context.parent != 0 {
            span.append(field: 2, length: 8)
            span.append(bigEndian: record.context.parent)
        }
        span.append(field: 3, length: 8)
        span.append(bigEndian: record.context.span)
        span.append(field: 4, varint: record.kind == .client ? 1 : 2)
        span.append(field: 5, record.view(record.name))
        span.append(field: 6, fixed64: record.start.unixMicroseconds)
        span.append(field: 7, varint: Int(truncatingIfNeeded: record.durationMicroseconds))
        span.append(field: 8, endpoint.view)
        for event in record.events { appendMessage(event: event.name, event.time) }
        appendMessage(event: lastEvent(record), record.end)
        for tag in record.tags where tag.value.count > 0 {
            part.removeAll()
            part.append(field: 1, record.view(tag.name))
            part.append(field: 2, record.view(tag.value))
            span.append(field: 11, part.view)
        }
        if record.isShared { span.append(field: 13, varint: 1) }
        batch.append(field: 1, span.view)
    }

    private func appendMessage(event name: StaticString, _ time: WallTime) {
        part.removeAll()
        part.append(field: 1, fixed64: time.unixMicroseconds)
        part.append(field: 2, ByteView(name))
        span.append(field: 10, part.view)
    }
}

extension WallTime {
    fileprivate var unixMicroseconds: UInt64 { UInt64(clamping: unixNanoseconds / 1000) }
}

extension SpanRecord {
    /// At least 1, as Zipkin asks of spans that took no time.
    fileprivate var durationMicroseconds: UInt64 { UInt64(max(1, (end - start).nanoseconds / 1000)) }
}

// Spans as OpenTelemetry's protocol has them.
import HTTPWire
import Reactor

/// Writes `ExportTraceServiceRequest`. One a tracer and worker. OTLP page: "Specification", proto files `trace.proto`,
/// `trace_service.proto`.
final class OTLPEncoder {
    /// `ResourceSpans.resource` and `ScopeSpans.scope`: the same in every message.
    private let resource: FixedBytes
    private let scope: FixedBytes
    @exclusivity(unchecked) private var span = ByteArena()

    init(resource attributes: [OpenTelemetrySpec.Attribute], version: String) {
        var resource = ByteArena()
        for attribute in attributes {
            let (key, value) = (FixedBytes(attribute.key), FixedBytes(attribute.value))
            withExtendedLifetime((key, value)) {
                OTLPEncoder.append(attribute: 1, key.view, value.view, to: &resource)
            }
        }
        var scope = ByteArena()
        FixedBytes("outrider").withView { scope.append(field: 1, $0) }
        FixedBytes(version).withView { scope.append(field: 2, $0) }
        var resourceField = ByteArena()
        var scopeField = ByteArena()
        resourceField.append(field: 1, resource.view)
        scopeField.append(field: 1, scope.view)
        self.resource = FixedBytes(resourceField.view)
        self.scope = FixedBytes(scopeField.view)
    }

    /// `ScopeSpans.spans`, behind those that are there.
    func append(_ record: SpanRecord, to batch: inout ByteArena) {
        span.removeAll()
        span.append(field: 1, length: 16)
        span.append(bigEndian: record.context.traceHigh)
        span.append(bigEndian: record.context.traceLow)
        span.append(field: 2, length: 8)
        span.append(bigEndian: record.context.span)
        if record.traceState.count > 0 { span.append(field: 3, record.view(record.traceState)) }
        if record.context.parent != 0 {
            span.append(field: 4, length: 8)
            span.append(bigEndian: record.context.parent)
        }
        span.append(field: 5, record.view(record.name))
        span.append(field: 6, varint: record.kind == .server ? 2 : 3)
        span.append(field: 7, fixed64: record.start.unixBits)
        span.append(field: 8, fixed64: record.end.unixBits)
        for tag in record.tags {
            OTLPEncoder.append(attribute: 9, record.view(tag.name), record.view(tag.value), to: &span)
        }
        for event in record.events {
            let name = ByteView(event.name)
            span.append(field: 11, length: 9 + ByteArena.fieldSize(name.count))
            span.append(field: 1, fixed64: event.time.unixBits)
            span.append(field: 2, name)
        }
        if record.isFailed {
            span.append(field: 15, length: 2)
            span.append(field: 3, varint: 2)
        }
        batch.append(field: 2, span.view)
    }

    /// The message around encoded spans.
    func message(_ spans: ByteView) -> [UInt8] {
        let inScope = scope.count + spans.count
        let inResource = resource.count + ByteArena.fieldSize(inScope)
        var head = ByteArena()
        head.append(field: 1, length: inResource)
        head.append(resource.view)
        head.append(field: 2, length: inScope)
        head.append(scope.view)
        var message: [UInt8] = []
        message.reserveCapacity(head.count + spans.count)
        message.append(contentsOf: head.view.unsafeBytes)
        message.append(contentsOf: spans.unsafeBytes)
        return message
    }

    /// A `KeyValue` with a text.
    private static func append(
        attribute field: UInt8, _ key: ByteView, _ value: ByteView, to sink: inout ByteArena
    ) {
        let any = ByteArena.fieldSize(value.count)
        sink.append(field: field, length: ByteArena.fieldSize(key.count) + ByteArena.fieldSize(any))
        sink.append(field: 1, key)
        sink.append(field: 2, length: any)
        sink.append(field: 1, value)
    }
}

extension WallTime {
    fileprivate var unixBits: UInt64 { UInt64(clamping: unixNanoseconds) }
}

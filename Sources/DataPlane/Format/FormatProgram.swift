// What compiled segments refer to, and the evaluation of header operators.
import HTTPWire
import Reactor

/// The text, header keys and date formats of one or more templates. One thread.
final class FormatProgram {
    private let text: FixedBytes
    // Valid as long as `text` is held.
    private let bytes: ByteView
    private let keys: [HeaderKey]
    private let dates: [DateFormat]

    init(_ compiler: FormatCompiler) {
        text = FixedBytes(compiler.text)
        bytes = text.view
        keys = compiler.keys
        dates = compiler.dates
    }

    func view(_ range: TextRange) -> ByteView {
        bytes.slice(Int(range.start)..<Int(range.start) + Int(range.count))
    }

    /// Appends what `segment` stands for; false (and nothing) when it is unset.
    func append(_ segment: FormatSegment, _ context: borrowing FormatContext, to sink: inout ByteArena) -> Bool {
        let start = sink.count
        let isSet = append(segment.operation, context, to: &sink)
        if segment.limit >= 0 { sink.truncate(to: start &+ Int(segment.limit)) }
        return isSet
    }

    private func append(
        _ operation: FormatOperator, _ context: borrowing FormatContext, to sink: inout ByteArena
    ) -> Bool {
        switch operation {
        case .literal(let range):
            sink.append(view(range))
            return true
        case .unset:
            return false
        case .requestHeader(let choice):
            return append(header(choice, in: context.request), to: &sink)
        case .responseHeader(let choice):
            return append(header(choice, in: context.response), to: &sink)
        case .responseTrailer(let choice):
            return append(header(choice, in: context.trailers), to: &sink)
        case .number, .duration, .grpcStatus(.number), .address(_, .port):
            guard let value = number(operation, context) else { return false }
            sink.append(decimal: value)
            return true
        case .text(let text):
            return context.append(text, to: &sink)
        case .time(let source, let index):
            guard let time = context.time(source) else { return false }
            dates[Int(index)].append(time, to: &sink)
            return true
        case .address(let source, let form):
            return context.append(source, form, to: &sink)
        case .certificate(let source, let field):
            return context.append(source, field, to: &sink)
        case .connectionTLS(let source, let field):
            return context.append(source, field, to: &sink)
        case .grpcStatus(let form):
            return context.append(form, to: &sink)
        case .path(let source, let withQuery):
            return context.appendPath(source, withQuery: withQuery, to: &sink)
        case .queryParameter(let name):
            return context.query?.appendDecodedValue(of: view(name), to: &sink) ?? false
        case .queryParameters(let decoded):
            guard let query = context.query else { return false }
            if decoded { query.appendReadable(to: &sink) } else { sink.append(query.text) }
            return true
        case .serverName(let source, let host):
            return context.appendServerName(source, host, to: &sink)
        case .metadata(let namespace, let key):
            return context.appendMetadata(view(namespace), key.map { view($0) }, to: &sink)
        case .placeMetadata(let place, let path):
            return context.append(place, view(path), to: &sink)
        }
    }

    /// The value of an operator that `isNumeric`; nil when unset.
    func number(_ operation: FormatOperator, _ context: borrowing FormatContext) -> Int64? {
        switch operation {
        case .number(let number): context.value(number)
        case .duration(let start, let end, let unit): context.duration(start, end, unit)
        case .grpcStatus: context.grpcStatus.map { Int64($0) }
        case .address(let source, .port): context.port(source)
        default: nil
        }
    }

    private func append(_ value: ByteView?, to sink: inout ByteArena) -> Bool {
        guard let value else { return false }
        sink.append(value)
        return true
    }

    private func header(_ choice: HeaderChoice, in headers: HeaderMap?) -> ByteView? {
        guard let headers else { return nil }
        var value = header(choice.main, in: headers)
        if value == nil, let alternative = choice.alternative { value = header(alternative, in: headers) }
        guard choice.withoutQuery, let whole = value, let mark = whole.firstIndex(of: UInt8(ascii: "?")) else {
            return value
        }
        return whole.prefix(mark)
    }

    private func header(_ reference: HeaderReference, in headers: HeaderMap) -> ByteView? {
        switch reference {
        case .known(let name): headers.value(name)
        case .pseudo(let pseudo): headers.value(pseudo)
        case .other(let index): headers.value(keys[Int(index)])
        }
    }
}

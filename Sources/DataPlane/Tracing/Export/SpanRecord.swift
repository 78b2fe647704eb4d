// A finished span, between the stream that tells of it and the encoder that writes it.
import HTTPWire
import Reactor

/// What a span says. One a worker and tracer, filled anew for each span: nothing is allocated once it has grown. Loop
/// thread only.
final class SpanRecord {
    enum Kind { case server, client }

    /// A range of `text`.
    struct Piece {
        var start: Int
        var count: Int
    }

    struct Tag {
        var name: Piece
        var value: Piece
    }

    struct Event {
        var name: StaticString
        var time: WallTime
    }

    var context = SpanContext()
    var kind = Kind.server
    /// The span is the sender's too (Zipkin).
    var isShared = false
    var start = WallTime(unixNanoseconds: 0)
    var end = WallTime(unixNanoseconds: 0)
    /// What OpenTelemetry calls the span's status.
    var isFailed = false
    private(set) var name = Piece(start: 0, count: 0)
    private(set) var traceState = Piece(start: 0, count: 0)
    @exclusivity(unchecked) private(set) var tags: [Tag] = []
    @exclusivity(unchecked) private(set) var events: [Event] = []
    @exclusivity(unchecked) private var text = ByteArena()
    /// Where values are put together, before it is known whether they are text.
    @exclusivity(unchecked) private var draft = ByteArena()

    func clear() {
        context = SpanContext()
        kind = .server
        isShared = false
        isFailed = false
        name = Piece(start: 0, count: 0)
        traceState = Piece(start: 0, count: 0)
        tags.removeAll(keepingCapacity: true)
        events.removeAll(keepingCapacity: true)
        text.removeAll()
    }

    /// Valid until something is added.
    func view(_ piece: Piece) -> ByteView { text.view(piece.start, piece.count) }

    func setName(_ write: (inout ByteArena) -> Void) { name = compose(write) }

    /// Keeps the name that there is, when nothing is written.
    func replaceName(_ format: Formatter, _ context: borrowing FormatContext) {
        let piece = compose(format, context)
        if piece.count > 0 { name = piece }
    }

    func setTraceState(_ value: ByteView) { traceState = store(value) }

    func add(_ name: StaticString, _ value: ByteView) {
        tags.append(Tag(name: store(ByteView(name)), value: store(value)))
    }

    func add(_ name: StaticString, _ value: StaticString) { add(name, ByteView(value)) }

    func add(_ name: StaticString, _ write: (inout ByteArena) -> Void) {
        tags.append(Tag(name: store(ByteView(name)), value: compose(write)))
    }

    func add(_ name: StaticString, decimal value: Int) { add(name) { $0.append(decimal: Int64(value)) } }

    /// A tag of the user's own, which may take the place of another; none where there is nothing to say.
    func set(_ name: ByteView, _ value: ByteView) { set(name, store(value)) }

    func set(_ name: ByteView, _ format: Formatter, _ context: borrowing FormatContext) {
        set(name, compose(format, context))
    }

    private func set(_ name: ByteView, _ value: Piece) {
        guard value.count > 0 else { return }
        for index in tags.indices where view(tags[index].name) == name {
            tags[index].value = value
            return
        }
        tags.append(Tag(name: store(name), value: value))
    }

    func add(event name: StaticString, at time: WallTime) { events.append(Event(name: name, time: time)) }

    private func compose(_ write: (inout ByteArena) -> Void) -> Piece {
        draft.removeAll()
        write(&draft)
        return store(draft.view)
    }

    private func compose(_ format: Formatter, _ context: borrowing FormatContext) -> Piece {
        draft.removeAll()
        format.append(to: &draft, context)
        return store(draft.view)
    }

    /// Whole texts only: one byte that is no UTF-8 would have a collector refuse all spans of a message. Such a value is
    /// taken for Latin-1, as in logs.
    private func store(_ bytes: ByteView) -> Piece {
        let start = text.count
        if bytes.isUTF8 {
            text.append(bytes)
        } else {
            for index in 0..<bytes.count {
                let byte = bytes[index]
                if byte >= 0x80 { text.append(byte: 0xc0 | byte >> 6) }
                text.append(byte: byte >= 0x80 ? 0x80 | byte & 0x3f : byte)
            }
        }
        return Piece(start: start, count: text.count - start)
    }
}

// Dynamic metadata in lines: a value, or a namespace as JSON.
import HTTPWire
import Reactor

extension ConnectionMetadata {
    /// False, and nothing appended, where nobody noted the key.
    func append(_ namespace: ByteView, _ key: ByteView, to sink: inout ByteArena) -> Bool {
        for entry in entries where namespace.equals(text: entry.namespace) && key.equals(text: entry.key) {
            sink.append(text: entry.value)
            return true
        }
        return false
    }

    /// The namespace's keys and values as an object; false where it has none.
    func appendJSON(of namespace: ByteView, to sink: inout ByteArena) -> Bool {
        var isFirst = true
        for entry in entries where namespace.equals(text: entry.namespace) {
            sink.append(byte: isFirst ? UInt8(ascii: "{") : UInt8(ascii: ","))
            sink.append(jsonText: entry.key)
            sink.append(byte: UInt8(ascii: ":"))
            if entry.isText { sink.append(jsonText: entry.value) } else { sink.append(text: entry.value) }
            isFirst = false
        }
        if !isFirst { sink.append(byte: UInt8(ascii: "}")) }
        return !isFirst
    }
}

extension FormatContext {
    /// What filters have noted of the stream, or else of its connection.
    func appendMetadata(_ namespace: ByteView, _ key: ByteView?, to sink: inout ByteArena) -> Bool {
        let connection = info.downstream?.metadata
        guard let key else {
            return info.notes.appendJSON(of: namespace, to: &sink)
                || connection?.appendJSON(of: namespace, to: &sink) ?? false
        }
        return info.notes.append(namespace, key, to: &sink) || connection?.append(namespace, key, to: &sink) ?? false
    }
}

extension ByteArena {
    mutating func append(jsonText text: String) {
        var text = text
        text.withUTF8 { append(jsonString: ByteView(UnsafeRawBufferPointer($0))) }
    }
}

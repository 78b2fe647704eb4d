// What HTTP filters note about a stream for logs: Envoy's dynamic metadata, as far as it is set here.
import HTTPWire
import Reactor

/// Values by namespace and key, made with the filter that notes them: noting one is holding it.
public final class StreamNote {
    struct Entry: Equatable {
        let namespace: String
        let key: String
        let value: String
        /// False: JSON already, as `true` and numbers are.
        let isText: Bool

        init(_ namespace: String, _ key: String, _ value: String, isText: Bool = true) {
            self.namespace = namespace
            self.key = key
            self.value = value
            self.isText = isText
        }
    }

    let entries: [Entry]

    init(_ entries: [Entry]) { self.entries = entries }
}

extension [StreamNote] {
    /// The value that was noted last. False, and nothing appended, where nobody noted the key.
    func append(_ namespace: ByteView, _ key: ByteView, to sink: inout ByteArena) -> Bool {
        for note in reversed() {
            for entry in note.entries where namespace.equals(text: entry.namespace) && key.equals(text: entry.key) {
                sink.append(text: entry.value)
                return true
            }
        }
        return false
    }

    /// The namespace as an object, its keys in order as in Envoy; false where nobody noted anything in it.
    func appendJSON(of namespace: ByteView, to sink: inout ByteArena) -> Bool {
        var latest: [String: StreamNote.Entry] = [:]
        for note in self {
            for entry in note.entries where namespace.equals(text: entry.namespace) { latest[entry.key] = entry }
        }
        if latest.isEmpty { return false }
        for (index, entry) in latest.values.sorted(by: { $0.key < $1.key }).enumerated() {
            sink.append(byte: index == 0 ? UInt8(ascii: "{") : UInt8(ascii: ","))
            sink.append(jsonText: entry.key)
            sink.append(byte: UInt8(ascii: ":"))
            if entry.isText { sink.append(jsonText: entry.value) } else { sink.append(text: entry.value) }
        }
        sink.append(byte: UInt8(ascii: "}"))
        return true
    }
}

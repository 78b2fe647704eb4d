// A look at the fields of a serialized message without reading it.
import DataPlane

/// As far as it takes to find a name and to count entries.
enum ProtobufFields {
    /// How often each of the fields is there; nil: the bytes are no message.
    static func count(_ message: [UInt8], of numbers: [UInt64]) -> [Int]? {
        var counts = [Int](repeating: 0, count: numbers.count)
        var reader = ProtobufReader(message)
        while !reader.isAtEnd {
            guard let (number, _) = reader.next() else { return nil }
            if let index = numbers.firstIndex(of: number) { counts[index] += 1 }
        }
        return counts
    }

    /// The message without these fields.
    static func removing(_ numbers: Set<UInt64>, from message: [UInt8]) -> [UInt8] {
        var kept: [UInt8] = []
        var reader = ProtobufReader(message)
        while !reader.isAtEnd {
            let start = reader.place
            guard let (number, _) = reader.next() else { break }
            if !numbers.contains(number) { kept += message[start..<reader.place] }
        }
        return kept
    }

    /// What a resource is called: the first field of each of the types is its name. Empty: it has none.
    static func name(_ resource: [UInt8]) -> String {
        var name = ""
        var reader = ProtobufReader(resource)
        while !reader.isAtEnd, let (number, value) = reader.next() {
            // The last one counts, as to any reader of protobuf.
            if number == 1, case .bytes(let contents) = value {
                name = String(decoding: resource[contents], as: UTF8.self)
            }
        }
        return name
    }
}

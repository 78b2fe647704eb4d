// What answers of services are read with.

extension ProtobufReader {
    /// Calls `body` with each field of a message. False when the bytes are no message, or `body` is content with none of
    /// them.
    static func forEachField(_ bytes: [UInt8], _ body: (_ number: UInt64, _ value: Value) -> Bool) -> Bool {
        var reader = ProtobufReader(bytes)
        while !reader.isAtEnd {
            guard let (number, value) = reader.next(), body(number, value) else { return false }
        }
        return true
    }

    /// `HeaderValue` and `QueryParameter`; a value in `raw_value` counts where there is no other. nil: it is no message.
    static func pair(_ bytes: [UInt8]) -> (name: [UInt8], value: [UInt8])? {
        var name: [UInt8] = []
        var text: [UInt8] = []
        var raw: [UInt8] = []
        let isWhole = forEachField(bytes) { number, value in
            guard case .bytes(let range) = value else { return true }
            switch number {
            case 1: name = Array(bytes[range])
            case 2: text = Array(bytes[range])
            case 3: raw = Array(bytes[range])
            default: break
            }
            return true
        }
        return isWhole ? (name, text.isEmpty ? raw : text) : nil
    }
}

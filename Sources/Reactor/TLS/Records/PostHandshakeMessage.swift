// Handshake messages that come after the handshake, looked at as their bytes go by.

/// Follows the messages inside of records (RFC 8446 §4), of which one may be cut over several. Of TLS 1.3 there are two after
/// the handshake: new tickets, which are skipped, and key updates.
struct PostHandshakeMessage {
    enum Found {
        case nothing
        /// The peer has changed its keys, and perhaps wants us to do so, too.
        case keyUpdate(isRequested: Bool)
        case fault(RecordFault)
    }

    private static let newSessionTicket: UInt8 = 4
    private static let keyUpdate: UInt8 = 24

    /// The message's four bytes of type and length, as far as they have come, and how many.
    private var header: UInt32 = 0
    private var headerCount: UInt8 = 0
    /// Bytes of it that are still to come.
    private var left = 0

    /// Nothing else may come while a message is cut.
    var isCut: Bool { headerCount > 0 }

    /// Takes in the content of a record.
    ///
    /// - Parameter isServer: whether we are; only servers send tickets.
    mutating func take(_ content: UnsafeRawBufferPointer, isServer: Bool) -> Found {
        if content.isEmpty { return .fault(.unexpectedMessage) }
        var place = 0
        while place < content.count {
            if headerCount < 4 {
                header = header << 8 | UInt32(content[place])
                headerCount += 1
                place += 1
                if headerCount < 4 { continue }
                left = Int(header & 0xff_ffff)
                switch UInt8(truncatingIfNeeded: header >> 24) {
                case PostHandshakeMessage.keyUpdate where left == 1: break
                case PostHandshakeMessage.keyUpdate: return .fault(.badKeyUpdate)
                case PostHandshakeMessage.newSessionTicket where !isServer && left > 0: break
                default: return .fault(.unexpectedMessage)
                }
                continue
            }
            if UInt8(truncatingIfNeeded: header >> 24) == PostHandshakeMessage.keyUpdate {
                let request = content[place]
                // What is behind it would be of the old key (RFC 8446 §5.1).
                if place + 1 < content.count { return .fault(.notAtRecordEnd) }
                if request > 1 { return .fault(.badKeyUpdate) }
                reset()
                return .keyUpdate(isRequested: request == 1)
            }
            let part = min(left, content.count - place)
            place += part
            left -= part
            if left == 0 { reset() }
        }
        return .nothing
    }

    private mutating func reset() { (header, headerCount) = (0, 0) }
}

// Counting the records that OpenSSL reads and writes, by the five bytes in front of each.

/// The records of one direction, whose bytes go by in pieces.
struct RecordTally {
    /// Whole records since the begin, or since `restart`.
    private(set) var count: UInt64 = 0
    /// The first eight bytes of the last record: with AES-GCM in TLS 1.2 its explicit nonce.
    private(set) var nonce: UInt64 = 0
    private var length = 0
    /// How much of the record that is under way has gone by.
    private var place = 0

    mutating func note(_ bytes: UnsafeRawBufferPointer) {
        let (header, nonceEnd) = (RecordCipher.headerLength, RecordCipher.headerLength + 8)
        var index = 0
        while index < bytes.count {
            if place < nonceEnd {
                let byte = bytes[index]
                switch place {
                case 3: length = Int(byte) << 8
                case 4: length |= Int(byte)
                case header...: nonce = nonce << 8 | UInt64(byte)
                default: break
                }
                place += 1
                index += 1
            } else {
                let part = min(bytes.count - index, header + length - place)
                place += part
                index += part
            }
            if place >= header && place == header + length {
                count += 1
                place = 0
            }
        }
    }

    /// Counts from 0 on.
    mutating func restart() { count = 0 }
}

// What stands in front of a record.

/// The content types of records (RFC 8446 §5.1).
enum RecordType {
    static let changeCipherSpec: UInt8 = 20
    static let alert: UInt8 = 21
    static let handshake: UInt8 = 22
    static let applicationData: UInt8 = 23
}

/// The five bytes in front of a record.
struct RecordHeader {
    let type: UInt8
    let version: UInt16
    let length: Int

    init(type: UInt8, version: UInt16, length: Int) {
        self.type = type
        self.version = version
        self.length = length
    }

    /// None when they are not all there.
    init?(_ input: borrowing ByteQueue) {
        guard input.count >= RecordCipher.headerLength else { return nil }
        var word: UInt64 = 0
        input.forEachPart(from: 0, RecordCipher.headerLength) { part in
            for byte in part { word = word << 8 | UInt64(byte) }
        }
        type = UInt8(truncatingIfNeeded: word >> 32)
        version = UInt16(truncatingIfNeeded: word >> 16)
        length = Int(UInt16(truncatingIfNeeded: word))
    }

    func store(to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: type, as: UInt8.self)
        target.storeBytes(of: version.bigEndian, toByteOffset: 1, as: UInt16.self)
        target.storeBytes(of: UInt16(truncatingIfNeeded: length).bigEndian, toByteOffset: 3, as: UInt16.self)
    }

    /// Whether `input` begins with a whole record, or with what can only be refused.
    static func isComplete(in input: borrowing ByteQueue) -> Bool {
        RecordHeader(input).map { input.count >= RecordCipher.headerLength + $0.length } ?? false
    }
}

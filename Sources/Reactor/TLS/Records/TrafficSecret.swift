// A TLS 1.3 traffic secret, and the keys that follow from it (RFC 8446 §7.2, §7.3).
import COpenSSL

/// The secret of one direction. Wiped by its owner when it is not needed any more.
struct TrafficSecret {
    private var bytes = InlineArray<48, UInt8>(repeating: 0)
    private let count: Int

    /// A secret of at most 48 bytes (the longest hash is SHA-384), in hexadecimal digits; none when it is anything else.
    init?(hexadecimal: UnsafePointer<CChar>) {
        var place = 0
        while hexadecimal[place * 2] != 0 {
            guard place < 48, let high = TrafficSecret.digit(hexadecimal[place * 2]),
                let low = TrafficSecret.digit(hexadecimal[place * 2 + 1])
            else { return nil }
            bytes[place] = high << 4 | low
            place += 1
        }
        guard place > 0 else { return nil }
        count = place
    }

    private init(count: Int) { self.count = count }

    private static func digit(_ character: CChar) -> UInt8? {
        switch character {
        case 0x30...0x39: UInt8(bitPattern: character) - 0x30
        case 0x61...0x66: UInt8(bitPattern: character) - 0x57
        case 0x41...0x46: UInt8(bitPattern: character) - 0x37
        default: nil
        }
    }

    /// The secret after a key update.
    func next(_ suite: RecordSuite) -> TrafficSecret? {
        var next = TrafficSecret(count: count)
        let length = count
        let done = withUnsafeMutableBytes(of: &next.bytes) { target in
            expand("traffic upd", suite, UnsafeMutableRawBufferPointer(rebasing: target[..<length]))
        }
        return done ? next : nil
    }

    /// The protection of records by this secret, beginning with record number `sequence`.
    func cipher(_ suite: RecordSuite, sealing: Bool, sequence: UInt64) -> RecordCipher? {
        withUnsafeTemporaryAllocation(byteCount: 48, alignment: 8) { room -> RecordCipher? in
            defer { OPENSSL_cleanse(room.baseAddress, room.count) }
            let key = UnsafeMutableRawBufferPointer(rebasing: room[..<suite.keyLength])
            let iv = UnsafeMutableRawBufferPointer(rebasing: room[32..<44])
            guard expand("key", suite, key), expand("iv", suite, iv) else { return nil }
            return RecordCipher(
                suite, form: .tls13, key: UnsafeRawBufferPointer(key), iv: UnsafeRawBufferPointer(iv), sealing: sealing,
                sequence: sequence)
        }
    }

    /// HKDF-Expand-Label with an empty context (RFC 8446 §7.1); fills `target`.
    func expand(_ label: String, _ suite: RecordSuite, _ target: UnsafeMutableRawBufferPointer) -> Bool {
        withUnsafeBytes(of: bytes) { secret in
            let place = target.assumingMemoryBound(to: UInt8.self).baseAddress
            let key = secret.assumingMemoryBound(to: UInt8.self).baseAddress
            return cossl_tls13_expand(suite.digest, key, count, label, place, target.count) == 1
        }
    }

    mutating func wipe() {
        withUnsafeMutableBytes(of: &bytes) { OPENSSL_cleanse($0.baseAddress, $0.count) }
    }
}

// Which bytes may stand where: the character classes of RFC 9110, RFC 9112 and RFC 3986.

/// A set of ASCII bytes; bytes from 0x80 are never in it.
struct ByteClass: Sendable {
    let low: UInt64
    let high: UInt64

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        let bits = byte & 0x40 == 0 ? low : high
        return byte < 0x80 && (bits &>> UInt64(byte & 63)) & 1 == 1
    }
}

extension ByteClass {
    // The bit patterns are spelled out so that the hot loops hold them in registers; a test derives them again.

    /// tchar of RFC 9110, section 5.6.2: what names and methods consist of.
    static var token: ByteClass { ByteClass(low: 0x03ff_6cfa_0000_0000, high: 0x57ff_ffff_c7ff_fffe) }

    /// Unreserved characters of RFC 3986, section 2.3.
    static var unreserved: ByteClass { ByteClass(low: 0x03ff_6000_0000_0000, high: 0x47ff_fffe_87ff_fffe) }

    /// unreserved and sub-delims of RFC 3986: a registered name but for its percent escapes.
    static var registeredName: ByteClass { ByteClass(low: 0x2bff_7fd2_0000_0000, high: 0x47ff_fffe_87ff_fffe) }

    /// What a path may hold without being escaped in Envoy's normal form: 0x21 to 0x7e but `"#<>?\\^`, the back-quote
    /// and `{|}`.
    static var path: ByteClass { ByteClass(low: 0x2fff_fff2_0000_0000, high: 0x47ff_fffe_afff_ffff) }
}

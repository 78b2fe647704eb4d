// The parts of a certificate as text, in the forms that Envoy's logs and headers use.
import COpenSSL
import Glibc

/// Pure functions from OpenSSL's objects to text. Nothing is left in the error queue.
enum X509Text {
    /// Lower-case hexadecimal digits.
    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            for nibble in [byte >> 4, byte & 15] { text.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// A distinguished name in RFC 2253 notation.
    static func name(_ name: OpaquePointer?) -> String {
        guard let name else { return "" }
        return withMemoryBIO { X509_NAME_print_ex($0, name, 0, cossl_xn_rfc2253) >= 0 } ?? ""
    }

    /// A serial number in lower-case hexadecimal digits, as BoringSSL prints it.
    static func serial(_ number: UnsafePointer<ASN1_INTEGER>?) -> String {
        guard let number, let big = ASN1_INTEGER_to_BN(number, nil) else { return "" }
        defer { BN_free(big) }
        guard let digits = BN_bn2hex(big) else { return "" }
        defer { cossl_free(digits) }
        return String(decoding: String(cString: digits).utf8.map(\.asciiLowercased), as: UTF8.self)
    }

    /// The SubjectPublicKeyInfo in DER.
    static func publicKeyInfo(_ x509: OpaquePointer) -> [UInt8] {
        var der: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der)
        defer { cossl_free(der) }
        guard count > 0, let der else { return [] }
        return Array(UnsafeBufferPointer(start: der, count: Int(count)))
    }

    /// Seconds since 1970, or 0 when the time cannot be read.
    static func unixSeconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else {
            ERR_clear_error()
            return 0
        }
        return Int64(timegm(&parts))
    }

    /// `2026-01-31T12:00:00Z`.
    static func timestamp(_ unixSeconds: Int64) -> String {
        var parts = tm()
        var seconds = time_t(unixSeconds)
        guard gmtime_r(&seconds, &parts) != nil else { return "" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            return strftime(base, 64, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0 ? String(cString: base) : ""
        }
    }

    static func pem(_ x509: OpaquePointer) -> String {
        withMemoryBIO { PEM_write_bio_X509($0, x509) == 1 } ?? ""
    }

    /// What Envoy escapes in a PEM for x-forwarded-client-cert: newline, space, `+`, `/` and `=`.
    static func urlEncoded(_ pem: String) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(pem.utf8.count + pem.utf8.count / 8)
        for byte in pem.utf8 {
            switch byte {
            case UInt8(ascii: "\n"): text.append(contentsOf: "%0A".utf8)
            case UInt8(ascii: " "): text.append(contentsOf: "%20".utf8)
            case UInt8(ascii: "+"): text.append(contentsOf: "%2B".utf8)
            case UInt8(ascii: "/"): text.append(contentsOf: "%2F".utf8)
            case UInt8(ascii: "="): text.append(contentsOf: "%3D".utf8)
            default: text.append(byte)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    static func bytes(_ string: UnsafePointer<ASN1_STRING>) -> [UInt8] {
        let count = Int(ASN1_STRING_length(string))
        guard count > 0, let data = ASN1_STRING_get0_data(string) else { return [] }
        return Array(UnsafeBufferPointer(start: data, count: count))
    }

    /// A dotted object identifier.
    static func oid(_ object: OpaquePointer) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            let count = OBJ_obj2txt(base, 256, object, 1)
            return count > 0 && count < 256 ? String(cString: base) : ""
        }
    }

    static func extensionOIDs(_ x509: OpaquePointer) -> [String] {
        (0..<max(X509_get_ext_count(x509), 0)).compactMap { index in
            guard let one = X509_get_ext(x509, index), let object = X509_EXTENSION_get_object(one) else { return nil }
            return oid(object)
        }
    }

    /// The value of an otherName: numbers in decimal, booleans as words, object identifiers dotted, all else as it is.
    static func value(_ value: UnsafePointer<ASN1_TYPE>) -> String {
        switch cossl_type_tag(value) {
        case V_ASN1_NULL: return ""
        case V_ASN1_BOOLEAN: return cossl_type_boolean(value) != 0 ? "true" : "false"
        case V_ASN1_OBJECT: return cossl_type_object(value).map(oid) ?? ""
        case V_ASN1_INTEGER, V_ASN1_ENUMERATED:
            guard let string = cossl_type_string(value), let big = ASN1_INTEGER_to_BN(string, nil) else { return "" }
            defer { BN_free(big) }
            guard let digits = BN_bn2dec(big) else { return "" }
            defer { cossl_free(digits) }
            return String(cString: digits)
        case V_ASN1_BMPSTRING, V_ASN1_UNIVERSALSTRING:
            var text: UnsafeMutablePointer<UInt8>?
            let count = ASN1_STRING_to_UTF8(&text, cossl_type_string(value))
            defer { cossl_free(text) }
            guard count > 0, let text else {
                ERR_clear_error()
                return ""
            }
            return String(decoding: UnsafeBufferPointer(start: text, count: Int(count)), as: UTF8.self)
        default:
            return cossl_type_string(value).map { String(decoding: bytes($0), as: UTF8.self) } ?? ""
        }
    }

    /// The common name of a subject, if it has one.
    static func commonName(_ name: OpaquePointer?) -> String? {
        guard let name, case let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1), index >= 0,
            let entry = X509_NAME_get_entry(name, index), let data = X509_NAME_ENTRY_get_data(entry)
        else { return nil }
        let text = String(decoding: bytes(data), as: UTF8.self)
        return text.isEmpty ? nil : text
    }

    /// Runs `write` on a memory BIO and returns what it wrote; none when it failed.
    static func withMemoryBIO(_ write: (OpaquePointer) -> Bool) -> String? {
        guard let bio = BIO_new(BIO_s_mem()) else { return nil }
        defer { BIO_free(bio) }
        guard write(bio) else {
            ERR_clear_error()
            return nil
        }
        var start: UnsafePointer<UInt8>?
        let count = cossl_bio_memory(bio, &start)
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }
}

/// IP addresses of certificates.
enum IPText {
    /// The usual notation of 4 or 16 octets; none for other counts.
    static func format(_ octets: [UInt8]) -> String? {
        guard octets.count == 4 || octets.count == 16 else { return nil }
        let family = octets.count == 4 ? AF_INET : AF_INET6
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress, inet_ntop(family, octets, base, 64) != nil else { return nil }
            return String(cString: base)
        }
    }

    /// Whether `text` is an address, which no server name may be (RFC 6066 §3).
    static func isAddress(_ text: String) -> Bool {
        var octets = (UInt64(0), UInt64(0))
        return inet_pton(AF_INET, text, &octets) == 1 || inet_pton(AF_INET6, text, &octets) == 1
    }
}

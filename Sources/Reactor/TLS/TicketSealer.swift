// Sealing and opening of session tickets with the keys of the spec.
import COpenSSL
import Glibc

/// A context's use of its `SessionTicketKeys`. Used on the context's thread.
final class TicketSealer {
    private let source: SessionTicketKeys
    private var generation: SessionTicketKeys.Generation
    // Invariant: fetched in init, ours until deinit; none only when the library was built without AES.
    private let cipher: OpaquePointer?

    init(_ source: SessionTicketKeys) {
        self.source = source
        generation = source.generation(now: TicketSealer.now)
        cipher = EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)
    }

    deinit { EVP_CIPHER_free(cipher) }

    /// Prepares OpenSSL to seal a ticket: writes 16 bytes of name and of IV. Returns 1, or -1 on failure.
    func seal(
        name: UnsafeMutablePointer<UInt8>, iv: UnsafeMutablePointer<UInt8>, cipher context: OpaquePointer,
        mac: OpaquePointer
    ) -> Int32 {
        refresh()
        guard let key = generation.keys.first, RAND_bytes(iv, 16) == 1 else { return -1 }
        for (index, byte) in key.name.enumerated() { name[index] = byte }
        return prepare(key, iv: iv, mac: mac) { EVP_EncryptInit_ex(context, cipher, nil, $0, iv) } ? 1 : -1
    }

    /// Prepares OpenSSL to open a ticket. Returns 0 when it is of no key of ours, 1 when it is, 2 when the client shall
    /// get a new one besides: after a change of keys, and always in TLS 1.3, where a ticket is used once.
    func open(
        _ ssl: OpaquePointer, name: UnsafeMutablePointer<UInt8>, iv: UnsafeMutablePointer<UInt8>,
        cipher context: OpaquePointer, mac: OpaquePointer
    ) -> Int32 {
        refresh()
        let wanted = UnsafeBufferPointer(start: name, count: 16)
        guard let index = generation.keys.firstIndex(where: { $0.name.elementsEqual(wanted) }) else { return 0 }
        let key = generation.keys[index]
        guard prepare(key, iv: iv, mac: mac, { EVP_DecryptInit_ex(context, cipher, nil, $0, iv) }) else { return -1 }
        return index == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2
    }

    private func prepare(
        _ key: SessionTicketKeys.Key, iv: UnsafeMutablePointer<UInt8>, mac: OpaquePointer,
        _ start: (UnsafePointer<UInt8>) -> Int32
    ) -> Bool {
        key.cipher.withUnsafeBufferPointer { $0.baseAddress.map { start($0) == 1 } ?? false }
            && key.mac.withUnsafeBufferPointer { cossl_mac_set_key(mac, $0.baseAddress, $0.count) == 1 }
    }

    private func refresh() {
        let now = TicketSealer.now
        if now > generation.validUntil { generation = source.generation(now: now) }
    }

    /// OpenSSL dates sessions by the system's clock; so do we.
    private static var now: Int64 { Int64(time(nil)) }
}

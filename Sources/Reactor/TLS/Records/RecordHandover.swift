// What has to be known of a handshake so that the records behind it need no OpenSSL session.
import COpenSSL

/// Collects, while OpenSSL has the connection, the keys and the numbers of records in both directions. Used on the session's
/// thread.
///
/// TLS 1.2's keys can be asked for when the handshake is done. TLS 1.3's are told by the key log alone, which costs a
/// handshake some 18 us: `HandoverCredit` sees to it that it is worth that.
final class RecordHandover {
    var read = RecordTally()
    var written = RecordTally()
    /// TLS 1.3: the secrets of what the client and the server send.
    private var clientSecret: TrafficSecret?
    private var serverSecret: TrafficSecret?
    /// The keys are not those of the handshake any more: OpenSSL has to go on.
    private var isTooLate = false

    deinit {
        clientSecret?.wipe()
        serverSecret?.wipe()
    }

    /// A line of the key log: a label, the client's random, and the secret in hexadecimal digits.
    func note(keyLog line: UnsafePointer<CChar>) {
        guard let secret = strrchr(line, 0x20) else { return }
        func begins(_ label: StaticString) -> Bool {
            strncmp(line, label.utf8Start, label.utf8CodeUnitCount) == 0
        }
        if begins("CLIENT_TRAFFIC_SECRET_0 ") {
            clientSecret = TrafficSecret(hexadecimal: secret + 1)
        } else if begins("SERVER_TRAFFIC_SECRET_0 ") {
            serverSecret = TrafficSecret(hexadecimal: secret + 1)
        }
    }

    /// To be called when the handshake is done. Returns whether the records can be taken over now; otherwise they can be when
    /// the first data has come: a TLS 1.3 client wants OpenSSL to read the tickets in front of it.
    func handshakeDone(_ ssl: OpaquePointer) -> Bool {
        read.restart()
        if SSL_version(ssl) < TLS1_3_VERSION || SSL_is_server(ssl) == 1 { return true }
        written.restart()
        cossl_set_message_cb(ssl, RecordHandover.watch)
        return false
    }

    /// OpenSSL answers a key update, and begins none by itself.
    private static let watch: cossl_message_cb = { _, _, contentType, bytes, count, ssl, _ in
        guard contentType == SSL3_RT_HANDSHAKE, count > 0, let bytes, let ssl,
            bytes.load(as: UInt8.self) == UInt8(SSL3_MT_KEY_UPDATE)
        else { return }
        TLSSession.of(ssl)?.handover?.isTooLate = true
    }

    /// The records from here on. None when OpenSSL has to go on with them: another suite or version, bytes that it has
    /// read and not handed out, keys that are not known.
    func makeLayer(_ ssl: OpaquePointer, isServer: Bool) -> RecordLayer? {
        guard !isTooLate, SSL_has_pending(ssl) == 0, let suite = RecordSuite(ssl) else { return nil }
        return switch SSL_version(ssl) {
        case TLS1_3_VERSION: tls13Layer(suite, isServer)
        case TLS1_2_VERSION: tls12Layer(ssl, suite, isServer)
        default: nil
        }
    }

    /// A server has sent its tickets when the handshake is done; neither side has sent anything else with these keys that
    /// was not counted.
    private func tls13Layer(_ suite: RecordSuite, _ isServer: Bool) -> RecordLayer? {
        guard let clientSecret, let serverSecret else { return nil }
        let (receiving, sending) = isServer ? (clientSecret, serverSecret) : (serverSecret, clientSecret)
        guard let opener = receiving.cipher(suite, sealing: false, sequence: read.count),
            let sealer = sending.cipher(suite, sealing: true, sequence: written.count)
        else { return nil }
        return RecordLayer(
            suite, isServer: isServer, receiving: opener, sending: sealer, receivingSecret: receiving,
            sendingSecret: sending)
    }

    /// Both sides' Finished was record 0 of its key (RFC 5246 §6.3: the key block, without MAC keys).
    private func tls12Layer(_ ssl: OpaquePointer, _ suite: RecordSuite, _ isServer: Bool) -> RecordLayer? {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { room -> RecordLayer? in
            defer { OPENSSL_cleanse(room.baseAddress, room.count) }
            let bytes = room.assumingMemoryBound(to: UInt8.self)
            guard let start = bytes.baseAddress, let session = SSL_get_session(ssl) else { return nil }
            let (seed, master, block) = (start, start + 64, start + 112)
            guard SSL_get_server_random(ssl, seed, 32) == 32, SSL_get_client_random(ssl, seed + 32, 32) == 32 else {
                return nil
            }
            let masterLength = SSL_SESSION_get_master_key(session, master, 48)
            let (keyLength, ivLength) = (suite.keyLength, suite.isChaCha ? 12 : 4)
            guard
                cossl_tls12_key_block(
                    suite.digest, master, masterLength, seed, 64, block, 2 * (keyLength + ivLength)) == 1
            else { return nil }
            func cipher(ofServer: Bool) -> RecordCipher? {
                let key = block + (ofServer ? keyLength : 0)
                let iv = block + 2 * keyLength + (ofServer ? ivLength : 0)
                let isSealing = ofServer == isServer
                return withUnsafeTemporaryAllocation(byteCount: 12, alignment: 8) { whole -> RecordCipher? in
                    whole.copyMemory(from: UnsafeRawBufferPointer(start: iv, count: ivLength))
                    if !suite.isChaCha {
                        // Ours go on from that of the Finished message, so that none comes twice.
                        whole.storeBytes(of: written.nonce.bigEndian, toByteOffset: 4, as: UInt64.self)
                    }
                    return RecordCipher(
                        suite, form: suite.isChaCha ? .tls12Implicit : .tls12Explicit,
                        key: UnsafeRawBufferPointer(start: key, count: keyLength), iv: UnsafeRawBufferPointer(whole),
                        sealing: isSealing, sequence: 1)
                }
            }
            guard let opener = cipher(ofServer: !isServer), let sealer = cipher(ofServer: isServer) else { return nil }
            return RecordLayer(suite, isServer: isServer, receiving: opener, sending: sealer)
        }
    }
}

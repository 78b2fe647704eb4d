// One connection's TLS: ciphertext in one pair of queues, plaintext in another, no socket in sight.
import COpenSSL

/// The TLS of one connection. It owns no bytes: every call is lent the queues it reads and writes. Used on the loop's
/// thread.
///
/// The order of calls: `handshake` until `.done`, then `decrypt` and `encrypt` in any order, `closeNotify` once at the
/// end of writing. After `.failed` every call fails with the same failure; what is in `rawOutput` then is the alert for
/// the peer.
public final class TLSSession {
    public enum HandshakeResult: Equatable {
        case done
        /// Nothing goes on without more bytes from the peer.
        case needsInput
        case failed(TLSFailure)
    }

    public enum ReadResult: Equatable {
        /// This many bytes of plaintext were added.
        case data(Int)
        case needsInput
        /// The peer said close_notify: nothing follows.
        case end
        case failed(TLSFailure)
    }

    public enum WriteResult: Equatable {
        /// This many bytes of plaintext were taken. Fewer than there are when the limit was reached, or when a
        /// renegotiation has to go on before anything can be sent.
        case data(Int)
        case failed(TLSFailure)
    }

    /// Plaintext bytes of a full record (RFC 8446 §5.1).
    static let recordSize = 16 * 1024
    /// Parts up to this size are put together with what follows them, rather than each in a record of its own.
    private static let smallPart = 2048

    public let context: TLSContext
    /// Why the session failed, once it has.
    public private(set) var failure: TLSFailure?
    /// Whether the handshake is done.
    public private(set) var isEstablished = false

    /// OpenSSL's session, ours from init on; none any more when `records` are what it had become.
    private(set) var ssl: OpaquePointer?
    /// The records, once they are taken over (see `RecordLayer`).
    private(set) var records: RecordLayer?
    /// What is needed for that, until then; none when OpenSSL keeps the records.
    private(set) var handover: RecordHandover?
    /// Calls that gave data since the keys were asked for.
    private var readsWithKeys: UInt8 = 0
    private let hasAskedForKeys: Bool
    // Invariant: the context's, which we hold.
    private let transport: UnsafeMutablePointer<TLSTransport>
    private var begin = TLSStreamBegin()
    private let serverName: String?
    private let verifyNames: [String]
    private var refusal: String?
    private var closeNotifySent = false
    private var cachedInfo: TLSConnectionInfo?

    init(_ context: TLSContext, serverName: String?, alpn: [String]?, verifyNames: [String]) {
        guard let ssl = SSL_new(context.sslContext) else {
            preconditionFailure("out of memory for a TLS session: \(OpenSSLErrors.drain().text)")
        }
        self.context = context
        self.ssl = ssl
        self.serverName = context.isServer ? nil : serverName ?? context.spec.sni
        self.verifyNames = verifyNames
        hasAskedForKeys = context.mayTakeRecordsOver && context.handoverCredit.spend()
        if hasAskedForKeys { handover = RecordHandover() }
        transport = context.transport
        BIO_up_ref(context.bio)
        SSL_set_bio(ssl, context.bio, context.bio)
        cossl_set_app_data(ssl, Unmanaged.passUnretained(self).toOpaque())
        if context.isServer {
            SSL_set_accept_state(ssl)
        } else {
            SSL_set_connect_state(ssl)
            prepareClient(ssl, alpn)
        }
    }

    deinit {
        if hasAskedForKeys && readsWithKeys < HandoverCredit.readsToEarn { context.handoverCredit.wasted() }
        endLibrarySession()
    }

    /// Frees OpenSSL's part.
    private func endLibrarySession() {
        guard let ssl else { return }
        // A connection that ends without close_notify is no reason to distrust its session: OpenSSL would drop it.
        if failure == nil { SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN) }
        SSL_free(ssl)
        self.ssl = nil
    }

    private func prepareClient(_ ssl: OpaquePointer, _ alpn: [String]?) {
        if let serverName, !serverName.isEmpty, !IPText.isAddress(serverName) {
            _ = cossl_set_host_name(ssl, serverName)
        }
        if let alpn {
            let wire = TLSContext.wireFormat(alpn)
            SSL_set_alpn_protos(ssl, wire.baseAddress, UInt32(wire.count))
            wire.deallocate()
        }
        context.resumable?.resume(ssl, for: resumptionKey)
        OpenSSLErrors.clear()
    }

    private var resumptionKey: ClientSessionStore.Key {
        ClientSessionStore.Key(serverName: serverName ?? "", verifyNames: verifyNames)
    }

    /// What was negotiated; none before the handshake is done.
    public var info: TLSConnectionInfo? {
        if let cachedInfo { return cachedInfo }
        guard isEstablished, let ssl else { return nil }
        let info = TLSConnectionInfo(ssl, verifier: context.verifier)
        cachedInfo = info
        return info
    }

    /// Whether `decrypt` has plaintext to give without more input: the rest of a record that did not fit the limit.
    public var hasPlaintext: Bool { ssl.map { SSL_pending($0) > 0 } ?? false }

    /// Whether `decrypt` may have something to give of what is in `rawInput`.
    func mayHavePlaintext(in rawInput: borrowing ByteQueue) -> Bool {
        records == nil ? hasPlaintext || !rawInput.isEmpty : RecordHeader.isComplete(in: rawInput)
    }

    /// Goes on with the handshake as far as the bytes in `rawInput` allow. A client's first call needs none.
    public func handshake(rawInput: inout ByteQueue, rawOutput: inout ByteQueue) -> HandshakeResult {
        if let failure { return .failed(failure) }
        guard !isEstablished, let ssl else { return .done }
        OpenSSLErrors.clear()
        handover?.written.restart()
        context.logsKeys = handover != nil
        let result = withUnsafeMutablePointer(to: &begin) { begin in
            transport.pointee.begin = begin
            defer { transport.pointee.begin = nil }
            return lend(&rawInput, &rawOutput) { SSL_do_handshake(ssl) }
        }
        if result == 1 {
            isEstablished = true
            context.resumable?.replace(after: ssl, for: resumptionKey)
            context.stats?.handshakeDone(ssl)
            if handover?.handshakeDone(ssl) == true { takeRecordsOver() }
            return .done
        }
        return SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ ? .needsInput : .failed(fail())
    }

    /// Opens records until `limit` bytes of plaintext are added to `plaintext` or `rawInput` holds no whole record. The last
    /// record may bring a few more.
    ///
    /// `rawOutput` gets what the protocol answers by itself: alerts and key updates.
    public func decrypt(
        rawInput: inout ByteQueue, rawOutput: inout ByteQueue, into plaintext: inout ByteQueue, limit: Int
    ) -> ReadResult {
        if let failure { return .failed(failure) }
        if let records {
            let (count, outcome) = records.decrypt(
                rawInput: &rawInput, rawOutput: &rawOutput, into: &plaintext, limit: limit)
            return finishRead(count, outcome, &rawOutput)
        }
        let result = decryptByLibrary(
            rawInput: &rawInput, rawOutput: &rawOutput, into: &plaintext, limit: limit)
        if case .data(let count) = result {
            noteRead(count)
            if handover != nil && failure == nil { takeRecordsOver() }
        }
        return result
    }

    private func decryptByLibrary(
        rawInput: inout ByteQueue, rawOutput: inout ByteQueue, into plaintext: inout ByteQueue, limit: Int
    ) -> ReadResult {
        guard let ssl else { return .needsInput }
        OpenSSLErrors.clear()
        var total = 0
        while total < limit {
            // Spares the call that would only say "nothing there".
            if rawInput.isEmpty && SSL_pending(ssl) == 0 && SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN == 0 {
                return total > 0 ? .data(total) : .needsInput
            }
            let room = plaintext.writable(atLeast: min(limit - total, TLSSession.smallPart))
            var count = 0
            let wanted = min(room.count, limit - total)
            let result = lend(&rawInput, &rawOutput) { SSL_read_ex(ssl, room.baseAddress, wanted, &count) }
            plaintext.commit(count)
            total += count
            if result == 1 { continue }
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ:
                return total > 0 ? .data(total) : .needsInput
            case SSL_ERROR_ZERO_RETURN:
                return total > 0 ? .data(total) : .end
            default:
                // What came before is good; the next call tells.
                let failure = fail()
                return total > 0 ? .data(total) : .failed(failure)
            }
        }
        return .data(total)
    }

    /// Seals plaintext into records until there is none left or `rawOutput` holds `limit` bytes or more.
    public func encrypt(
        from plaintext: inout ByteQueue, rawOutput: inout ByteQueue, limit: Int = .max
    ) -> WriteResult {
        if let failure { return .failed(failure) }
        guard !plaintext.isEmpty else { return .data(0) }
        guard let ssl else {
            if let count = records?.encrypt(from: &plaintext, rawOutput: &rawOutput, limit: limit) {
                return .data(count)
            }
            return .failed(fail(.cannotSeal, &rawOutput))
        }
        var total = 0
        OpenSSLErrors.clear()
        while !plaintext.isEmpty && rawOutput.count < limit {
            var part = plaintext.front
            if part.count < TLSSession.smallPart && plaintext.count > part.count {
                part = plaintext.contiguous(min(plaintext.count, 2 * TLSSession.smallPart))
            }
            let bytes = part.prefix(TLSSession.recordSize).unsafeBytes
            var count = 0
            let result = lendOutput(&rawOutput) { SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &count) }
            if result == 1 {
                plaintext.consume(count)
                total += count
                continue
            }
            if SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ { return .data(total) }
            return .failed(fail())
        }
        return .data(total)
    }

    /// Says that nothing more will be sent. Does nothing a second time, or when the session never was or is broken.
    public func closeNotify(rawOutput: inout ByteQueue) {
        guard isEstablished, failure == nil, !closeNotifySent else { return }
        closeNotifySent = true
        guard let ssl else {
            records?.alert(SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY, &rawOutput)
            return
        }
        _ = lendOutput(&rawOutput) { SSL_shutdown(ssl) }
        OpenSSLErrors.clear()
    }

    /// To be told when the connection ends before the handshake is done. Returns the failure to report.
    public func connectionEnded() -> TLSFailure {
        if let failure { return failure }
        let when = begin.isEmpty ? "before the TLS handshake began" : "during the TLS handshake"
        let ended = TLSFailure(.closed, "peer closed the connection \(when)")
        failure = ended
        return ended
    }

    /// Takes OpenSSL's errors for the failure of this session.
    private func fail() -> TLSFailure {
        let errors = OpenSSLErrors.drain()
        context.stats?.failed(errors)
        let failed = TLSFailure(
            errors, refusal: refusal, firstBytes: isEstablished ? [] : begin.bytes, isServer: context.isServer)
        failure = failed
        return failed
    }

    private func lend(
        _ rawInput: inout ByteQueue, _ rawOutput: inout ByteQueue, _ call: () -> Int32
    ) -> Int32 {
        withUnsafeMutablePointer(to: &rawInput) { input in
            transport.pointee.input = input
            let result = lendOutput(&rawOutput, call)
            transport.pointee.input = nil
            return result
        }
    }

    private func lendOutput(_ rawOutput: inout ByteQueue, _ call: () -> Int32) -> Int32 {
        withUnsafeMutablePointer(to: &rawOutput) { output in
            transport.pointee.output = output
            transport.pointee.handover = handover
            let result = call()
            transport.pointee.output = nil
            transport.pointee.handover = nil
            return result
        }
    }
}

// Records without OpenSSL's session.
extension TLSSession {
    /// Goes on without OpenSSL's session, if that can be; OpenSSL keeps what it cannot give away.
    private func takeRecordsOver() {
        guard let handover, let ssl else { return }
        self.handover = nil
        guard let records = handover.makeLayer(ssl, isServer: context.isServer) else { return }
        // What was negotiated is read as long as there is somebody to tell it.
        _ = info
        self.records = records
        endLibrarySession()
    }

    private func noteRead(_ count: Int) {
        guard hasAskedForKeys, count > 0, readsWithKeys < HandoverCredit.readsToEarn else { return }
        readsWithKeys += 1
        if readsWithKeys == HandoverCredit.readsToEarn { context.handoverCredit.earned() }
    }

    private func finishRead(
        _ count: Int, _ outcome: RecordLayer.Outcome, _ rawOutput: inout ByteQueue
    ) -> ReadResult {
        if case .fault(let fault) = outcome {
            // What came before is good; the next call tells.
            let failure = fail(fault, &rawOutput)
            return count > 0 ? .data(count) : .failed(failure)
        }
        noteRead(count)
        if count > 0 { return .data(count) }
        return outcome == .end ? .end : .needsInput
    }

    /// Ends the session as OpenSSL would: with an alert for the peer, and its own words for us.
    private func fail(_ fault: RecordFault, _ rawOutput: inout ByteQueue) -> TLSFailure {
        if let alert = fault.alert { records?.alert(SSL3_AL_FATAL, alert, &rawOutput) }
        OpenSSLErrors.clear()
        cossl_raise(fault.reason)
        return fail()
    }
}

// What OpenSSL's callbacks ask of a session.
extension TLSSession {
    static func of(_ ssl: OpaquePointer) -> TLSSession? {
        cossl_get_app_data(ssl).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
    }

    func verifyPeer(_ store: OpaquePointer) -> Bool {
        let names = verifyNames
        switch context.verifier.verify(store, names: names, serverName: serverName, stats: context.stats) {
        case .validated, .unverified:
            return true
        case .refused(let reason):
            refusal = reason
            return false
        }
    }

    /// Whether the client named a server that a certificate is good for (`require_sni`).
    func checkServerName() -> Bool {
        guard let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map({ String(cString: $0) }) else {
            refusal = "the client sent no server name (SNI), but require_sni is set"
            return false
        }
        if context.selector?.named(name) != nil { return true }
        refusal = "require_sni: no certificate is good for the server name (SNI) '\(name)'"
        return false
    }

    /// Returns true when the reference was taken over.
    func keepForResumption(_ session: OpaquePointer) -> Bool {
        guard let store = context.resumable else { return false }
        store.keep(session, for: resumptionKey)
        return true
    }
}

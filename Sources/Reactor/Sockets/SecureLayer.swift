// The TLS of a connection: its session and the ciphertext on both sides of it.

/// What a connection needs more when it speaks TLS.
final class SecureLayer {
    /// Ciphertext that may wait for the socket before more is sealed, in bytes: what one writev takes.
    static let sealLimit = 64 * 1024

    let session: TLSSession
    /// Ciphertext that was read and not opened yet.
    var rawInput: ByteQueue
    /// Ciphertext that is to be written.
    var rawOutput: ByteQueue
    /// The socket has come to its end; what is in `rawInput` may still give plaintext.
    var hasRawEnd = false

    init(session: TLSSession, pool: SlabPool) {
        self.session = session
        rawInput = ByteQueue(pool: pool)
        rawOutput = ByteQueue(pool: pool)
    }

    /// Plaintext may come without another read.
    var mayHavePlaintext: Bool { hasRawEnd || session.mayHavePlaintext(in: rawInput) }

    func handshake() -> TLSSession.HandshakeResult {
        session.handshake(rawInput: &rawInput, rawOutput: &rawOutput)
    }

    func decrypt(into plaintext: inout ByteQueue) -> TLSSession.ReadResult {
        session.decrypt(
            rawInput: &rawInput, rawOutput: &rawOutput, into: &plaintext, limit: SlabPool.slabSize)
    }

    func encrypt(from plaintext: inout ByteQueue) -> TLSSession.WriteResult {
        session.encrypt(from: &plaintext, rawOutput: &rawOutput, limit: SecureLayer.sealLimit)
    }

    func closeNotify() {
        session.closeNotify(rawOutput: &rawOutput)
    }

    func clear() {
        rawInput.clear()
        rawOutput.clear()
    }
}

// The records of an established connection, when OpenSSL has done the handshake and its session is gone.
import COpenSSL

/// Both directions of a connection after its handshake: what a TLS offload of a kernel or a card would do, here. It knows
/// data, alerts, key updates and tickets (RFC 8446 §4.6, §5, §6; RFC 5246 §6, §7), and no way to shake hands again. Used on
/// the loop's thread.
final class RecordLayer {
    enum Outcome: Equatable {
        /// Nothing more is there, or the limit is reached.
        case waiting
        /// The peer said close_notify.
        case end
        case fault(RecordFault)
    }

    /// Records without data that may come one behind the other: empty ones, alerts that mean nothing, key updates, tickets.
    static let maxRecordsWithoutData = 32

    private var receiving: RecordCipher
    private var sending: RecordCipher
    private let suite: RecordSuite
    private let isServer: Bool
    /// In TLS 1.3 alone: what the next keys follow from.
    private var receivingSecret: TrafficSecret?
    private var sendingSecret: TrafficSecret?
    private var message = PostHandshakeMessage()
    private var recordsWithoutData = 0
    private var hasEnded = false
    /// The peer asked for new keys: it gets them before the next data.
    private var owesKeyUpdate = false
    /// How many records a key of TLS 1.3 seals before the next follows: 2^24.5 are safe with AES-GCM (RFC 8446 §5.5).
    var recordsForOneKey: UInt64 = 1 << 24

    init(
        _ suite: RecordSuite, isServer: Bool, receiving: consuming RecordCipher, sending: consuming RecordCipher,
        receivingSecret: TrafficSecret? = nil, sendingSecret: TrafficSecret? = nil
    ) {
        self.suite = suite
        self.isServer = isServer
        self.receiving = receiving
        self.sending = sending
        self.receivingSecret = receivingSecret
        self.sendingSecret = sendingSecret
    }

    deinit {
        receivingSecret?.wipe()
        sendingSecret?.wipe()
    }

    private var isTLS13: Bool { sendingSecret != nil }

    /// Opens records until `limit` bytes or more of plaintext are added or no whole record is left. Answers, if there are
    /// any, go to `rawOutput`.
    func decrypt(
        rawInput: inout ByteQueue, rawOutput: inout ByteQueue, into plaintext: inout ByteQueue, limit: Int
    ) -> (count: Int, outcome: Outcome) {
        var total = 0
        while total < limit {
            if hasEnded { return (total, .end) }
            let fault: RecordFault?
            switch receiving.open(&rawInput, into: &plaintext) {
            case .needsInput:
                return (total, .waiting)
            case .fault(let found):
                fault = found
            case .record(RecordType.applicationData, let content) where !message.isCut:
                plaintext.commit(content.count)
                total &+= content.count
                if content.count > 0 {
                    recordsWithoutData = 0
                    continue
                }
                fault = nil
            case .record(let type, let content):
                fault = handle(type, content, &rawOutput)
                plaintext.commit(0)
            }
            if let fault { return (total, .fault(fault)) }
            recordsWithoutData += 1
            if recordsWithoutData > RecordLayer.maxRecordsWithoutData { return (total, .fault(.tooManyWithoutData)) }
        }
        return (total, .waiting)
    }

    /// A record that is not data.
    private func handle(
        _ type: UInt8, _ content: UnsafeRawBufferPointer, _ rawOutput: inout ByteQueue
    ) -> RecordFault? {
        switch type {
        case RecordType.alert where !message.isCut: return handle(alert: content)
        case RecordType.handshake where isTLS13:
            switch message.take(content, isServer: isServer) {
            case .nothing: return nil
            case .fault(let fault): return fault
            case .keyUpdate(let isRequested):
                if isRequested { owesKeyUpdate = true }
                return renewReceivingKey()
            }
        case RecordType.handshake: return refuseRenegotiation(content, &rawOutput)
        default: return .unexpectedRecord
        }
    }

    private func handle(alert content: UnsafeRawBufferPointer) -> RecordFault? {
        guard content.count == 2 else { return .invalidAlert }
        let (level, description) = (content[0], content[1])
        let isWarning = Int32(level) == SSL3_AL_WARNING
        switch Int32(description) {
        case SSL_AD_CLOSE_NOTIFY:
            hasEnded = true
            return nil
        // It says that a close_notify follows.
        case SSL_AD_USER_CANCELLED where isTLS13: return nil
        default: return isWarning && !isTLS13 ? nil : .alerted(description)
        }
    }

    /// As OpenSSL does it: the peer is told no, and may go on without.
    private func refuseRenegotiation(
        _ content: UnsafeRawBufferPointer, _ rawOutput: inout ByteQueue
    ) -> RecordFault? {
        let (helloRequest, clientHello): (UInt8, UInt8) = (0, 1)
        guard content.first == (isServer ? clientHello : helloRequest) else { return .unexpectedMessage }
        return alert(SSL3_AL_WARNING, SSL_AD_NO_RENEGOTIATION, &rawOutput) ? nil : .cannotSeal
    }

    /// Seals plaintext until there is none left or `rawOutput` holds `limit` bytes or more. Returns how much it was, nil when
    /// OpenSSL would not.
    func encrypt(from plaintext: inout ByteQueue, rawOutput: inout ByteQueue, limit: Int) -> Int? {
        // A record of full size fills one slab.
        let most = SlabPool.slabSize &- sending.overhead
        var total = 0
        while !plaintext.isEmpty && rawOutput.count < limit {
            if owesKeyUpdate || isTLS13 && sending.sequence >= recordsForOneKey {
                guard renewSendingKey(&rawOutput) else { return nil }
            }
            let count = min(plaintext.count, most)
            guard sending.seal(RecordType.applicationData, plaintext, count, into: &rawOutput) else { return nil }
            plaintext.consume(count)
            total &+= count
        }
        return total
    }

    /// Sends an alert; returns false when OpenSSL would not.
    @discardableResult
    func alert(_ level: Int32, _ description: Int32, _ rawOutput: inout ByteQueue) -> Bool {
        seal(RecordType.alert, [UInt8(truncatingIfNeeded: level), UInt8(truncatingIfNeeded: description)], &rawOutput)
    }

    /// Sends a record of another type than data.
    func seal(_ type: UInt8, _ content: [UInt8], _ rawOutput: inout ByteQueue) -> Bool {
        var bytes = ByteQueue(pool: rawOutput.pool)
        bytes.append(content)
        return sending.seal(type, bytes, bytes.count, into: &rawOutput)
    }

    private func renewReceivingKey() -> RecordFault? {
        guard let next = receivingSecret?.next(suite), let cipher = next.cipher(suite, sealing: false, sequence: 0)
        else { return .cannotSeal }
        receivingSecret?.wipe()
        receivingSecret = next
        receiving = cipher
        return nil
    }

    /// Tells the peer, under the old key, that new ones follow (RFC 8446 §4.6.3). It need not do the same.
    private func renewSendingKey(_ rawOutput: inout ByteQueue) -> Bool {
        let keyUpdate: [UInt8] = [24, 0, 0, 1, 0]
        guard seal(RecordType.handshake, keyUpdate, &rawOutput), let next = sendingSecret?.next(suite),
            let cipher = next.cipher(suite, sealing: true, sequence: 0)
        else { return false }
        sendingSecret?.wipe()
        sendingSecret = next
        sending = cipher
        owesKeyUpdate = false
        return true
    }
}

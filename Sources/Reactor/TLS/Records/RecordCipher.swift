// One direction's records: sealed and opened with an AEAD of OpenSSL's, straight from queue to queue.
import COpenSSL

/// The key of one direction and the number of its next record (RFC 8446 §5.2 and §5.3; RFC 5246 §6.2.3.3, RFC 5288 and
/// RFC 7905 for TLS 1.2). Used on the session's thread.
struct RecordCipher: ~Copyable {
    /// What is said of a record in the clear, and how its nonce is made.
    enum Form {
        /// The type is inside, behind the content; the nonce is the IV and the record's number.
        case tls13
        /// The last eight bytes of the nonce go in front of the content.
        case tls12Explicit
        /// The nonce is made as in TLS 1.3.
        case tls12Implicit
    }

    enum Opened {
        /// The record is not all there yet.
        case needsInput
        /// Where the content lies: in the room behind the last byte of the output. It counts once it is committed.
        case record(type: UInt8, content: UnsafeRawBufferPointer)
        case fault(RecordFault)
    }

    static let headerLength = 5
    /// Bytes of content (RFC 8446 §5.1). One slab holds as many.
    static let maxContent = 16 * 1024
    /// Bytes on the wire behind the header: 256 more than the content in TLS 1.3, 1024 more in TLS 1.2.
    private var maxLength: Int { form == .tls13 ? RecordCipher.maxContent + 256 : RecordCipher.maxContent + 1024 }

    private let form: Form
    // Invariant: ours from init to deinit.
    private let context: OpaquePointer
    /// The IV's first four bytes and its others, as they lie in memory.
    private let salt: UInt32
    private let mask: UInt64
    /// The number of the next record.
    private(set) var sequence: UInt64

    /// - Parameter iv: 12 bytes. With `.tls12Explicit` the last eight are the explicit nonce of record 0.
    init?(
        _ suite: RecordSuite, form: Form, key: UnsafeRawBufferPointer, iv: UnsafeRawBufferPointer, sealing: Bool,
        sequence: UInt64
    ) {
        guard let context = EVP_CIPHER_CTX_new() else { return nil }
        let bytes = key.assumingMemoryBound(to: UInt8.self).baseAddress
        guard EVP_CipherInit_ex2(context, suite.cipher, bytes, nil, sealing ? 1 : 0, nil) == 1 else {
            EVP_CIPHER_CTX_free(context)
            return nil
        }
        self.form = form
        self.context = context
        self.sequence = sequence
        salt = iv.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
        mask = iv.loadUnaligned(fromByteOffset: 4, as: UInt64.self)
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    private var explicitLength: Int { form == .tls12Explicit ? 8 : 0 }

    /// Bytes that sealing adds to the content.
    var overhead: Int {
        RecordCipher.headerLength &+ explicitLength &+ (form == .tls13 ? 1 : 0) &+ RecordSuite.tagLength
    }

    /// Appends a record with the first `count` bytes of `content`, which stay there.
    ///
    /// - Parameter count: with the overhead at most a slab's worth.
    /// - Returns: false when OpenSSL would not.
    mutating func seal(
        _ type: UInt8, _ content: borrowing ByteQueue, _ count: Int, into output: inout ByteQueue
    ) -> Bool {
        let size = count &+ overhead
        guard let room = output.writable(atLeast: size).baseAddress, sequence < .max else { return false }
        let header = RecordHeader(
            type: form == .tls13 ? RecordType.applicationData : type, version: RecordCipher.version,
            length: size &- RecordCipher.headerLength)
        header.store(to: room)
        var place = room + RecordCipher.headerLength
        var tail = mask ^ sequence.bigEndian
        if form == .tls12Explicit {
            tail = (UInt64(bigEndian: mask) &+ sequence).bigEndian
            place.storeBytes(of: tail, as: UInt64.self)
            place += 8
        }
        var target = place.assumingMemoryBound(to: UInt8.self)
        var done = start(header.type, header.length, content: count, tail)
        content.forEachPart(from: 0, count) { part in
            done = done && update(target, part)
            target += part.count
        }
        if form == .tls13 {
            done = done && withUnsafeBytes(of: type) { update(target, $0) }
            target += 1
        }
        done = done && cossl_aead_seal(context, target) == 1
        output.commit(done ? size : 0)
        sequence &+= 1
        return done
    }

    /// Opens the first record of `input` and takes it from there. The caller commits of its content to `output` what is to
    /// stay, or 0.
    mutating func open(_ input: inout ByteQueue, into output: inout ByteQueue) -> Opened {
        guard let header = RecordHeader(input) else { return .needsInput }
        if header.version != RecordCipher.version { return .fault(.wrongVersion) }
        if form == .tls13 && header.type != RecordType.applicationData { return .fault(.unexpectedRecord) }
        if header.length > maxLength { return .fault(.tooLong) }
        let count = header.length &- explicitLength &- RecordSuite.tagLength
        if count < (form == .tls13 ? 1 : 0) { return .fault(.tooShort) }
        if input.count < RecordCipher.headerLength &+ header.length { return .needsInput }
        if count > RecordCipher.maxContent && form != .tls13 || sequence == .max { return .fault(.tooLong) }
        // TLS 1.3 has a byte of type behind the content, and perhaps padding: what does not fit into a slab is only looked at.
        let whole = min(count, RecordCipher.maxContent)
        guard let start = output.writable(atLeast: whole).baseAddress else { return .fault(.tooLong) }
        let opened = withUnsafeTemporaryAllocation(byteCount: RecordCipher.scratchSize, alignment: 8) {
            scratch -> Opened in
            let rest = UnsafeMutableRawBufferPointer(rebasing: scratch[..<(count &- whole)])
            guard decrypt(input, header, to: UnsafeMutableRawBufferPointer(start: start, count: whole), rest) else {
                return .fault(.badMAC)
            }
            let content = UnsafeRawBufferPointer(start: start, count: whole)
            return form == .tls13 ? RecordCipher.unpad(content, rest) : .record(type: header.type, content: content)
        }
        if case .fault = opened { output.commit(0) }
        input.consume(RecordCipher.headerLength &+ header.length)
        sequence &+= 1
        return opened
    }

    /// More than the 240 bytes by which the inside of a TLS 1.3 record can be longer than a slab.
    private static let scratchSize = 256

    /// Decrypts the content of the first record of `input`, and whatever is behind it inside, to `target` and on to `rest`.
    private func decrypt(
        _ input: borrowing ByteQueue, _ header: RecordHeader, to target: UnsafeMutableRawBufferPointer,
        _ rest: UnsafeMutableRawBufferPointer
    ) -> Bool {
        let (begin, count) = (RecordCipher.headerLength &+ explicitLength, target.count &+ rest.count)
        // What may lie in two slabs comes here: the explicit nonce first, the tag at the end.
        return withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { room -> Bool in
            guard let room = room.baseAddress else { return false }
            var tail = mask ^ sequence.bigEndian
            if form == .tls12Explicit {
                input.copy(from: RecordCipher.headerLength, 8, to: room)
                tail = room.load(as: UInt64.self)
            }
            var done = start(header.type, header.length, content: count, tail)
            for (offset, target) in [(begin, target), (begin &+ target.count, rest)] where target.count > 0 {
                var place = target.assumingMemoryBound(to: UInt8.self).baseAddress
                input.forEachPart(from: offset, target.count) { part in
                    done = done && update(place, part)
                    place = place.map { $0 + part.count }
                }
            }
            input.copy(from: begin &+ count, RecordSuite.tagLength, to: room)
            return done && cossl_aead_verify(context, room.assumingMemoryBound(to: UInt8.self)) == 1
        }
    }

    /// Finds type and content inside a TLS 1.3 record: the last byte that is not zero is the type (RFC 8446 §5.4).
    private static func unpad(_ content: UnsafeRawBufferPointer, _ rest: UnsafeMutableRawBufferPointer) -> Opened {
        if let last = rest.lastIndex(where: { $0 != 0 }) {
            return last == 0 ? .record(type: rest[0], content: content) : .fault(.tooLong)
        }
        guard let last = content.lastIndex(where: { $0 != 0 }) else { return .fault(.unexpectedMessage) }
        return .record(type: content[last], content: UnsafeRawBufferPointer(rebasing: content[..<last]))
    }

    /// Begins a record with its nonce, of which `tail` is the last eight bytes, and its additional data.
    private func start(_ type: UInt8, _ length: Int, content: Int, _ tail: UInt64) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { room -> Bool in
            guard let base = room.baseAddress else { return false }
            base.storeBytes(of: salt, as: UInt32.self)
            base.storeBytes(of: tail, toByteOffset: 4, as: UInt64.self)
            let nonce = base.assumingMemoryBound(to: UInt8.self)
            let data = base + 16
            if form == .tls13 {
                RecordHeader(type: type, version: RecordCipher.version, length: length).store(to: data)
                return cossl_aead_begin(context, nonce, nonce + 16, Int32(RecordCipher.headerLength)) == 1
            }
            data.storeBytes(of: sequence.bigEndian, as: UInt64.self)
            RecordHeader(type: type, version: RecordCipher.version, length: content).store(to: data + 8)
            return cossl_aead_begin(context, nonce, nonce + 16, 13) == 1
        }
    }

    @inline(__always)
    private func update(_ target: UnsafeMutablePointer<UInt8>?, _ part: UnsafeRawBufferPointer) -> Bool {
        let bytes = part.assumingMemoryBound(to: UInt8.self).baseAddress
        return cossl_aead_update(context, target, bytes, Int32(truncatingIfNeeded: part.count)) == 1
    }

    /// What every record of TLS 1.2 and 1.3 says.
    static let version: UInt16 = 0x0303
}

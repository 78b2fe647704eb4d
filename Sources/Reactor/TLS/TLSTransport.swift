// The BIO through which OpenSSL reads ciphertext from one queue and writes it to another.
import COpenSSL

/// What the BIO looks at: the queues that are lent to it. A BIO is nothing but the way to them, so that all sessions of a
/// context share one: an idle connection would hold some 300 bytes for its own.
///
/// Safety: the pointers lead to variables of the caller only from `lend` until it returns; outside of that they are nil,
/// and the BIO says "try again". OpenSSL calls the BIO only from within a call on a session's SSL, which only TLSSession
/// makes, inside `lend`, on one thread, and never from inside another such call. The two queues and the plaintext queue
/// are different variables, as Swift's exclusivity rule demands of inout arguments.
struct TLSTransport {
    var input: UnsafeMutablePointer<ByteQueue>?
    var output: UnsafeMutablePointer<ByteQueue>?
    /// During a handshake only.
    var begin: UnsafeMutablePointer<TLSStreamBegin>?
    /// Until the records are taken over, where they are to be.
    var handover: RecordHandover?

    /// A BIO that looks at `transport`, which has to outlive it.
    static func makeBIO(_ transport: UnsafeMutablePointer<TLSTransport>) -> OpaquePointer {
        guard let bio = BIO_new(method) else { preconditionFailure("out of memory") }
        BIO_set_data(bio, transport)
        BIO_set_init(bio, 1)
        return bio
    }

    // Safety: written once, before any use, and only read by OpenSSL from then on. Never freed.
    nonisolated(unsafe) private static let method: OpaquePointer = {
        // 0x400 says that the BIO is an end of a chain; the number need not be unique.
        guard let method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x7f, "byte queue"),
            BIO_meth_set_read_ex(method, read) == 1, BIO_meth_set_write_ex(method, write) == 1,
            BIO_meth_set_ctrl(method, control) == 1
        else { preconditionFailure("out of memory") }
        return method
    }()

    private typealias ReadCallback =
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int, UnsafeMutablePointer<Int>?) -> Int32
    private typealias WriteCallback =
        @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int, UnsafeMutablePointer<Int>?) -> Int32

    private static let read: ReadCallback = { bio, buffer, capacity, done in
        guard let bio, let buffer, let done, let data = BIO_get_data(bio) else { return 0 }
        let transport = data.assumingMemoryBound(to: TLSTransport.self)
        cossl_bio_clear_retry(bio)
        guard let input = transport.pointee.input, !input.pointee.isEmpty else {
            cossl_bio_retry_read(bio)
            return 0
        }
        transport.pointee.begin?.pointee.note(input.pointee)
        let count = input.pointee.copy(to: UnsafeMutableRawBufferPointer(start: buffer, count: capacity))
        input.pointee.consume(count)
        transport.pointee.handover?.read.note(UnsafeRawBufferPointer(start: buffer, count: count))
        transport.pointee.begin?.pointee.wasRead(count)
        done.pointee = count
        return 1
    }

    private static let write: WriteCallback = { bio, buffer, count, done in
        guard let bio, let buffer, let done, let data = BIO_get_data(bio) else { return 0 }
        let transport = data.assumingMemoryBound(to: TLSTransport.self)
        cossl_bio_clear_retry(bio)
        guard let output = transport.pointee.output else { return 0 }
        let bytes = UnsafeRawBufferPointer(start: buffer, count: count)
        output.pointee.append(ByteView(bytes))
        transport.pointee.handover?.written.note(bytes)
        done.pointee = count
        return 1
    }

    private static let control: @convention(c) (OpaquePointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int = {
        _, command, _, _ in
        command == BIO_CTRL_FLUSH ? 1 : 0
    }
}

/// The first bytes that a peer sent, for error messages.
struct TLSStreamBegin {
    private static let limit = 16

    private var known = InlineArray<16, UInt8>(repeating: 0)
    private var count: UInt8 = 0
    /// How many of them OpenSSL has read.
    private var read: UInt8 = 0

    /// True when OpenSSL has read nothing yet.
    var isEmpty: Bool { read == 0 }

    var bytes: [UInt8] { (0..<Int(count)).map { known[$0] } }

    /// Takes in the begin of the stream as far as it has come. `next` holds what follows the bytes that were read.
    mutating func note(_ next: borrowing ByteQueue) {
        var place = Int(read)
        guard place < TLSStreamBegin.limit else { return }
        next.forEachPart { part in
            for index in 0..<min(part.count, TLSStreamBegin.limit - place) {
                known[place] = part[index]
                place += 1
            }
            return place < TLSStreamBegin.limit
        }
        count = UInt8(truncatingIfNeeded: place)
    }

    mutating func wasRead(_ bytes: Int) {
        read = UInt8(truncatingIfNeeded: min(Int(read) &+ bytes, TLSStreamBegin.limit))
    }
}

// The body of a request inside the router: waiting for a connection, or kept to be sent again.
import Reactor

/// Bytes that have no connection yet, or that a retry would have to send again.
struct RequestBody: ~Copyable {
    enum Mode {
        /// Bytes leave as they are sent.
        case passing
        /// All bytes are kept, for a retry.
        case kept
        /// More came than may be kept: no retry with this body.
        case lost
    }

    private(set) var mode = Mode.passing
    private var bytes: ByteQueue
    private let pool: SlabPool
    /// Bytes that may be kept.
    private var limit = 0
    /// Nothing is lost with what cannot be kept: no retry was asked for.
    private var isByTheWay = false
    /// Body bytes went to an upstream.
    private(set) var wasSent = false
    /// The request has a body or trailers.
    var exists = false
    var hasTrailers = false

    init(pool: SlabPool) {
        self.pool = pool
        bytes = ByteQueue(pool: pool)
    }

    /// For the next request.
    mutating func reset() {
        mode = .passing
        bytes.clear()
        limit = 0
        isByTheWay = false
        wasSent = false
        exists = false
        hasTrailers = false
    }

    /// The same body is to be sent to somebody else. What is held stays.
    mutating func startAgain() {
        mode = .passing
        limit = 0
        isByTheWay = false
        wasSent = false
    }

    /// There is no body any more.
    mutating func drop() {
        bytes.clear()
        exists = false
        hasTrailers = false
    }

    /// Keeps what comes, and what is held already, up to a number of bytes. `isByTheWay`: more than that is no failure.
    /// False: it is more already.
    mutating func keep(upTo limit: Int, isByTheWay: Bool = false) -> Bool {
        let fits = bytes.count <= limit
        mode = fits ? .kept : .lost
        self.limit = limit
        self.isByTheWay = isByTheWay
        return fits
    }

    /// A copy of the first bytes that are held.
    func first(_ length: Int) -> [UInt8] {
        var copy: [UInt8] = []
        copy.reserveCapacity(min(length, bytes.count))
        bytes.forEachPart { part in
            copy.append(contentsOf: part.prefix(length - copy.count).unsafeBytes)
            return copy.count < length
        }
        return copy
    }

    /// What is held.
    func withHeld(_ look: (borrowing ByteQueue) -> Void) { look(bytes) }

    /// Bytes held.
    var count: Int { bytes.count }
    /// Whether the whole body so far can be sent (again).
    var canBeSentAgain: Bool { mode == .kept || mode == .passing && !wasSent }

    /// Takes bytes that came while there was no connection. False: they are more than may be kept for a retry.
    mutating func hold(_ more: inout ByteQueue) -> Bool {
        let fits = mode != .kept || bytes.count + more.count <= limit
        if !fits { mode = .lost }
        more.moveAll(to: &bytes)
        return fits || isByTheWay
    }

    /// Notes bytes that are about to be sent. False: they are more than may be kept, and from now on none are.
    mutating func willSend(_ more: borrowing ByteQueue) -> Bool {
        wasSent = true
        guard mode == .kept else { return true }
        guard bytes.count + more.count <= limit else {
            mode = .lost
            bytes.clear()
            return isByTheWay
        }
        more.forEachPart { part in
            bytes.append(part)
            return true
        }
        return true
    }

    /// Hands out what a new connection has to be sent first.
    mutating func takeForSending() -> ByteQueue {
        wasSent = true
        var out = ByteQueue(pool: pool)
        if mode == .kept {
            bytes.forEachPart { part in
                out.append(part)
                return true
            }
        } else {
            bytes.moveAll(to: &out)
        }
        return out
    }

    /// A response began: nothing will be sent again.
    mutating func stopKeeping() {
        guard mode == .kept else { return }
        mode = .lost
        bytes.clear()
    }
}

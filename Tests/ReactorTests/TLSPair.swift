// Two TLS sessions and the wire between them, in memory.
import Metrics
import Reactor
import TestKit

/// One end: a session with its queues.
final class TLSSide {
    let session: TLSSession
    var rawInput: ByteQueue
    var rawOutput: ByteQueue
    /// Plaintext that arrived.
    var received: ByteQueue
    /// Plaintext to send.
    var toSend: ByteQueue
    var handshakeResult = TLSSession.HandshakeResult.needsInput
    var readResult = TLSSession.ReadResult.needsInput

    init(_ session: TLSSession, pool: SlabPool) {
        self.session = session
        rawInput = ByteQueue(pool: pool)
        rawOutput = ByteQueue(pool: pool)
        received = ByteQueue(pool: pool)
        toSend = ByteQueue(pool: pool)
    }

    func handshake() { handshakeResult = session.handshake(rawInput: &rawInput, rawOutput: &rawOutput) }

    /// Reads until nothing comes; the last result that was not data is kept.
    func read(limit: Int = .max) {
        while true {
            readResult = session.decrypt(
                rawInput: &rawInput, rawOutput: &rawOutput, into: &received, limit: limit)
            guard case .data = readResult else { return }
        }
    }

    @discardableResult
    func write(limit: Int = .max) -> TLSSession.WriteResult {
        session.encrypt(from: &toSend, rawOutput: &rawOutput, limit: limit)
    }

    var failure: String? { session.failure?.reason }
}

/// A client and a server with a wire of their own.
final class TLSPair {
    let pool: SlabPool
    let client: TLSSide
    let server: TLSSide

    init(_ client: TLSSession, _ server: TLSSession, pool: SlabPool = SlabPool()) {
        self.pool = pool
        self.client = TLSSide(client, pool: pool)
        self.server = TLSSide(server, pool: pool)
    }

    /// A pair from two descriptions.
    convenience init(
        client: TLSContextSpec, server: TLSContextSpec, serverName: String? = nil, stats: TLSStatsPair? = nil
    ) throws {
        let client = try TLSContext.client(client, stats: stats?.client)
        let server = try TLSContext.server(server, stats: stats?.server)
        self.init(client.makeSession(serverName: serverName), server.makeSession())
    }

    /// Carries at most `step` bytes each way; returns how many it were.
    @discardableResult
    func carry(step: Int = .max) -> Int {
        let before = client.rawOutput.count + server.rawOutput.count
        client.rawOutput.move(step, to: &server.rawInput)
        server.rawOutput.move(step, to: &client.rawInput)
        return before - client.rawOutput.count - server.rawOutput.count
    }

    /// Shakes hands, `step` bytes at a time, until nothing moves any more; then reads once on both sides, so that tickets
    /// and alerts that came behind are seen.
    func handshake(step: Int = .max) {
        repeat {
            client.handshake()
            server.handshake()
        } while carry(step: step) > 0
        repeat {
            client.read()
            server.read()
        } while carry(step: step) > 0
    }

    /// Sends `bytes` from one side to the other and returns what arrived.
    func send(_ bytes: [UInt8], from sender: TLSSide, to receiver: TLSSide, step: Int = .max) -> [UInt8] {
        sender.toSend.append(bytes)
        repeat {
            sender.write(limit: 64 * 1024)
            carry(step: step)
            receiver.read()
        } while !sender.toSend.isEmpty || sender.rawOutput.count > 0
        let arrived = receiver.received.array
        receiver.received.clear()
        return arrived
    }

    var bothDone: Bool { client.handshakeResult == .done && server.handshakeResult == .done }
}

/// Counters for both sides of a pair.
final class TLSStatsPair {
    let store = StatStore()
    let client: TLSStats
    let server: TLSStats
    let cells: StatCells

    init() {
        cells = store.makeCells()
        client = TLSStats(cells: cells, prefix: "cluster.c.ssl.")
        server = TLSStats(cells: cells, prefix: "listener.l.ssl.")
    }

    func onServer(_ name: String) -> UInt64 { cells.counter("listener.l.ssl." + name).value }
    func onClient(_ name: String) -> UInt64 { cells.counter("cluster.c.ssl." + name).value }
}

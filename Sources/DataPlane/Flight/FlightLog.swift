// What one worker has recorded: bytes in chunks, of which the oldest goes when there is no more room.
import Reactor
import Synchronization

/// Records of requests and connections that are over. Any thread; bounded by `ExplainSpec.maxBytes`.
///
/// One worker writes, the admin port reads. Between them is a lock, which the worker takes for a copy of some hundred
/// bytes, and only for what it records; the reader holds it for as long as it takes to count the references of a dozen
/// chunks. So even a worker that hangs can be asked what it did last.
public final class FlightLog: Sendable {
    public let spec: ExplainSpec
    public let worker: Int
    private let rings: Mutex<Rings>

    private struct Rings: Sendable {
        var failures: FlightRing
        var others: FlightRing
    }

    public init(_ spec: ExplainSpec, worker: Int) {
        self.spec = spec
        self.worker = worker
        // What is without fault shall not push out what is not.
        let others = spec.maxBytes / 4
        rings = Mutex(
            Rings(
                failures: FlightRing(bytes: spec.maxBytes - others, chunks: 8),
                others: FlightRing(bytes: others, chunks: 4)))
    }

    /// Takes a copy. Returns how many records had to go for it.
    func add(_ record: ByteView, isFailure: Bool) -> UInt64 {
        rings.withLock { isFailure ? $0.failures.add(record) : $0.others.add(record) }
    }

    /// Bytes that records take.
    public var byteCount: Int { rings.withLock { $0.failures.byteCount + $0.others.byteCount } }

    /// Records that had to go since the start.
    public var overwritten: UInt64 { rings.withLock { $0.failures.overwritten + $0.others.overwritten } }

    /// The records that `isWanted` takes.
    private func records(where isWanted: (FlightRecord) -> Bool) -> [FlightRecord] {
        let chunks = rings.withLock { $0.failures.contents + $0.others.contents }
        var found: [FlightRecord] = []
        for chunk in chunks {
            var rest = chunk[...]
            while let record = FlightRecord(takingFrom: &rest, worker: worker) {
                if isWanted(record) { found.append(record) }
            }
        }
        return found
    }

    /// Of all that these logs have, the latest that `isWanted` takes: the newest first.
    public static func latest(
        _ count: Int, of logs: [FlightLog], where isWanted: (FlightRecord) -> Bool
    ) -> [FlightRecord] {
        let found = logs.flatMap { $0.records(where: isWanted) }
        return Array(found.sorted { $0.ended > $1.ended }.prefix(max(0, count)))
    }
}

/// Chunks that are filled one after the other. When the last is full the oldest goes.
private struct FlightRing: Sendable {
    private struct Chunk: Sendable {
        var bytes: [UInt8] = []
        var records: UInt64 = 0

        /// A record begins with its length in two bytes.
        mutating func append(_ length: UInt16, _ record: ByteView) {
            bytes.append(UInt8(truncatingIfNeeded: length))
            bytes.append(UInt8(truncatingIfNeeded: length >> 8))
            record.withUnsafeBytes { bytes.append(contentsOf: $0) }
            records += 1
        }
    }

    private let chunkSize: Int
    private let maxChunks: Int
    private var chunks: [Chunk] = []
    private(set) var overwritten: UInt64 = 0

    init(bytes: Int, chunks: Int) {
        chunkSize = bytes / chunks
        maxChunks = chunks
    }

    var byteCount: Int { chunks.reduce(0) { $0 + $1.bytes.count } }

    var contents: [[UInt8]] { chunks.map(\.bytes) }

    mutating func add(_ record: ByteView) -> UInt64 {
        guard record.count > 0, record.count + 2 <= chunkSize, record.count <= Int(UInt16.max) else { return 0 }
        var gone: UInt64 = 0
        if (chunks.last?.bytes.count ?? .max) > chunkSize - record.count - 2 {
            if chunks.count == maxChunks { gone = chunks.removeFirst().records }
            var chunk = Chunk()
            chunk.bytes.reserveCapacity(chunkSize)
            chunks.append(chunk)
        }
        let length = UInt16(truncatingIfNeeded: record.count)
        chunks[chunks.count - 1].append(length, record)
        overwritten += gone
        return gone
    }
}

// Writes down what became of a request or a connection, when it is over.
import HTTPWire
import Metrics
import Reactor

/// One worker's flight recorder. Loop thread only.
///
/// While a stream lives nothing is done for it: all that a record says its objects hold anyway. So a request that goes well
/// costs the question whether it did.
public final class FlightRecorder {
    /// Bytes of a text, of an `x-request-id`, and of a whole record that are kept.
    static let textLimit = 256
    static let idLimit = 128
    private static let recordLimit = 4000

    private let log: FlightLog
    private let recorded: Counter
    private let overwritten: Counter
    private var record = ByteArena()
    private var isFailure = false
    /// The second that is under way, and what it has left for what went well.
    @exclusivity(unchecked) private var secondEnds: UInt64 = 0
    @exclusivity(unchecked) private var othersLeft = 0

    /// nil: nothing is to be recorded.
    init?(_ log: FlightLog, _ cells: StatCells) {
        guard log.spec.maxBytes > 0 else { return nil }
        self.log = log
        recorded = cells.counter("explain.recorded")
        overwritten = cells.counter("explain.overwritten")
    }

    /// Whether to record what went well: some of a second are.
    func takesOther(now: MonotonicTime) -> Bool {
        if othersLeft > 0 {
            othersLeft &-= 1
            return true
        }
        guard now.ns >= secondEnds, log.spec.othersPerSecond > 0 else { return false }
        secondEnds = (now + .seconds(1)).ns
        othersLeft = log.spec.othersPerSecond - 1
        return true
    }

    // MARK: One record

    /// `end` follows in the same turn.
    func begin(isRequest: Bool, isFailure: Bool) {
        record.removeAll()
        self.isFailure = isFailure
        add(.kind, isRequest ? 0 : 1)
        if isFailure { add(.isFailure, 1) }
    }

    func end() {
        recorded.increment()
        let gone = log.add(record.view, isFailure: isFailure)
        if gone > 0 { overwritten.add(gone) }
    }

    /// An empty text is not written, and a long one not to its end.
    func add(_ field: FlightField, _ bytes: ByteView, limit: Int = FlightRecorder.textLimit) {
        let value = bytes.prefix(limit)
        guard value.count > 0, record.count + 3 + value.count <= FlightRecorder.recordLimit else { return }
        record.append(byte: field.rawValue)
        record.append(byte: UInt8(truncatingIfNeeded: value.count))
        record.append(byte: UInt8(truncatingIfNeeded: value.count >> 8))
        record.append(value)
    }

    func add(_ field: FlightField, _ text: String, limit: Int = FlightRecorder.textLimit) {
        var text = text
        text.withUTF8 { add(field, ByteView(UnsafeRawBufferPointer($0)), limit: limit) }
    }

    func add(_ field: FlightField, _ number: UInt64) {
        withUnsafeBytes(of: number.littleEndian) { add(field, ByteView($0)) }
    }

    /// A time that is not there, or less than none, is not written.
    func add(_ field: FlightField, _ time: TimeAmount?) {
        if let time, time >= .zero { add(field, time.nanoseconds.magnitude) }
    }

    /// A limit that held; nil: there was none.
    func add(limit name: String, _ value: TimeAmount?) {
        add(.limitName, name)
        add(.limitValue, max(.zero, value ?? .zero).nanoseconds.magnitude)
    }
}

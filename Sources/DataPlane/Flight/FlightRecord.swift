// One record as it is read: what became of a request or a connection.
import Reactor

/// What a flight recorder has written down. Its fields are looked for when they are asked for.
public struct FlightRecord: Sendable {
    /// One try of a request, or one connection attempt of a TCP session.
    public struct Try: Sendable, Equatable {
        public var host = ""
        /// 0: there was none.
        public var connectionID: UInt64 = 0
        public var took = TimeAmount.zero
        /// How it ended, in words.
        public var end = ""
        /// The transport's own words for it.
        public var detail = ""
    }

    /// A time limit that held.
    public struct Limit: Sendable, Equatable {
        public var name: String
        /// Zero: none.
        public var value: TimeAmount
    }

    public let worker: Int
    private let bytes: ArraySlice<UInt8>

    /// Takes the next record of a chunk; nil at its end.
    init?(takingFrom chunk: inout ArraySlice<UInt8>, worker: Int) {
        guard let length = FlightRecord.takeLength(&chunk), length <= chunk.count else { return nil }
        bytes = chunk.prefix(length)
        chunk = chunk.dropFirst(length)
        self.worker = worker
    }

    private static func takeLength(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        guard let low = bytes.popFirst(), let high = bytes.popFirst() else { return nil }
        return Int(low) | Int(high) << 8
    }

    /// All fields in their order, until `body` returns false.
    private func forEachField(_ body: (FlightField, ArraySlice<UInt8>) -> Bool) {
        var rest = bytes
        while let number = rest.popFirst(), let length = FlightRecord.takeLength(&rest), length <= rest.count {
            if let field = FlightField(rawValue: number), !body(field, rest.prefix(length)) { return }
            rest = rest.dropFirst(length)
        }
    }

    private func value(_ wanted: FlightField) -> ArraySlice<UInt8>? {
        var found: ArraySlice<UInt8>?
        forEachField { field, value in
            if field == wanted { found = value }
            return found == nil
        }
        return found
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Empty where the record has none.
    public func text(_ field: FlightField) -> String { value(field).map(FlightRecord.text) ?? "" }

    public func number(_ field: FlightField) -> UInt64? { value(field).map(FlightRecord.number) }

    public func time(_ field: FlightField) -> TimeAmount? {
        number(field).map { TimeAmount(nanoseconds: Int64(clamping: $0)) }
    }

    // MARK: What it says

    public var isRequest: Bool { number(.kind) == 0 }
    public var isFailure: Bool { number(.isFailure) == 1 }
    public var flags: ResponseFlags { ResponseFlags(rawValue: UInt32(truncatingIfNeeded: number(.flags) ?? 0)) }
    public var began: WallTime { WallTime(unixNanoseconds: Int64(clamping: number(.began) ?? 0)) }
    public var duration: TimeAmount { time(.duration) ?? .zero }
    public var ended: WallTime { began + duration }

    /// Whether it has this `x-request-id`, or is (or came on) the connection of this number. Of an id only as much is
    /// compared as is kept.
    public func has(id: String) -> Bool {
        let kept = id.utf8.prefix(FlightRecorder.idLimit)
        if let requestID = value(.requestID), requestID.elementsEqual(kept) { return true }
        guard let number = UInt64(id) else { return false }
        return self.number(.connectionID) == number
    }

    /// In order; the last one decided.
    public var tries: [Try] {
        var tries: [Try] = []
        forEachField { field, value in
            if field == .tryHost { tries.append(Try(host: FlightRecord.text(value))) }
            guard !tries.isEmpty else { return true }
            let last = tries.count - 1
            switch field {
            case .tryConnection: tries[last].connectionID = FlightRecord.number(value)
            case .tryTook: tries[last].took = .nanoseconds(Int64(clamping: FlightRecord.number(value)))
            case .tryEnd: tries[last].end = FlightRecord.text(value)
            case .tryDetail: tries[last].detail = FlightRecord.text(value)
            default: break
            }
            return true
        }
        return tries
    }

    public var limits: [Limit] {
        var limits: [Limit] = []
        var name = ""
        forEachField { field, value in
            if field == .limitName { name = FlightRecord.text(value) }
            if field == .limitValue {
                limits.append(
                    Limit(name: name, value: .nanoseconds(Int64(clamping: FlightRecord.number(value)))))
            }
            return true
        }
        return limits
    }
}

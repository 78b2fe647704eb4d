// How far a descriptor is from its limit.
import Reactor

/// `RateLimitResponse.DescriptorStatus`.
struct RateLimitStatus: Equatable {
    struct Limit: Equatable {
        var requests: UInt32 = 0
        var unit: UInt64 = 0
        /// The service's own name for it; may be empty.
        var name: [UInt8] = []

        private static let units: [(seconds: UInt64, name: String)] = [
            (0, ""), (1, "second"), (60, "minute"), (3600, "hour"), (86_400, "day"), (30 * 86_400, "month"),
            (365 * 86_400, "year"), (7 * 86_400, "week"),
        ]

        /// Seconds that the requests are for; 0: the service does not tell.
        var window: UInt64 { unit < UInt64(Limit.units.count) ? Limit.units[Int(unit)].seconds : 0 }

        /// "10 a minute ('per-ip')"
        var words: String {
            let unit = window > 0 ? " a \(Limit.units[Int(unit)].name)" : ""
            let name = String(decoding: self.name, as: UTF8.self)
            return "\(requests)\(unit)" + (name.isEmpty ? "" : " ('\(name)')")
        }
    }

    var isOverLimit = false
    /// nil: no limit is known for the descriptor.
    var limit: Limit?
    var remaining: UInt32 = 0
    var resetSeconds: Int64 = 0

    init() {}

    init?(_ bytes: [UInt8]) {
        var status = RateLimitStatus()
        let isWhole = ProtobufReader.forEachField(bytes) { number, value in
            switch (number, value) {
            case (1, .varint(let code)): status.isOverLimit = code == RateLimitAnswer.overLimit
            case (2, .bytes(let range)):
                guard let limit = RateLimitStatus.limit(Array(bytes[range])) else { return false }
                status.limit = limit
            case (3, .varint(let number)): status.remaining = UInt32(truncatingIfNeeded: number)
            case (4, .bytes(let range)):
                return ProtobufReader.forEachField(Array(bytes[range])) { number, value in
                    if number == 1, case .varint(let seconds) = value {
                        status.resetSeconds = Int64(bitPattern: seconds)
                    }
                    return true
                }
            default: break
            }
            return true
        }
        guard isWhole else { return nil }
        self = status
    }

    private static func limit(_ bytes: [UInt8]) -> Limit? {
        var limit = Limit()
        let isWhole = ProtobufReader.forEachField(bytes) { number, value in
            switch (number, value) {
            case (1, .varint(let number)): limit.requests = UInt32(truncatingIfNeeded: number)
            case (2, .varint(let unit)): limit.unit = unit
            case (3, .bytes(let range)): limit.name = Array(bytes[range])
            default: break
            }
            return true
        }
        return isWhole ? limit : nil
    }
}
